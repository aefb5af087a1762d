import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { profile, type ProfileName } from '../../../infra/local/embedded/registry/profiles.ts';
import { startRegistry, type Registry } from '../../../infra/local/embedded/registry/server.ts';
import type { Image } from '../../../infra/local/embedded/registry/storage.ts';
import { sampleImage } from '../../../infra/local/embedded/sample-images.ts';
import { available } from '../../real-parts.ts';

// A client that others wrote: what it can push and pull is not our reading of the spec alone.
const skopeo = available('skopeo');
const run = promisify(execFile);
const users = { ada: 'horse' };
const name = 'harness/ci-addon';
const index = sampleImage({ name, tag: '1.0', attestations: true, layerBytes: 4096 });
const list = sampleImage({ name, tag: '2.0', docker: true, layerBytes: 4096 });
const single = sampleImage({ name, tag: '3.0', platforms: [{ os: 'linux', architecture: 'amd64' }], layerBytes: 4096 });

(skopeo ? describe : describe.skip)(`skopeo${skopeo ? '' : ' (not on PATH)'}`, () => {
  let source: Registry;
  let target: Registry;

  beforeAll(async () => {
    source = await startRegistry({ auth: { kind: 'bearer', users, separateHost: true } });
    target = await startRegistry({ auth: { kind: 'basic', users } });
    source.storage.putImage(name, '1.0', index);
    source.storage.putImage(name, '2.0', list);
    source.storage.putImage(name, '3.0', single);
  });
  afterAll(async () => {
    await Promise.all([source.close(), target.close()]);
  });

  async function copy(from: Registry, tag: string, to: Registry, repository: string, ...more: string[]): Promise<void> {
    await run('skopeo', [
      'copy',
      '--all',
      '--src-tls-verify=false',
      '--dest-tls-verify=false',
      '--src-creds=ada:horse',
      '--dest-creds=ada:horse',
      ...more,
      `docker://${from.host}/${name}:${tag}`,
      `docker://${to.host}/${repository}:${tag}`,
    ]);
  }

  function expectWhole(registry: Registry, repository: string, image: Image): void {
    expect(registry.storage.manifest(repository, image.digest)?.bytes).toEqual(image.bytes);
    for (const digest of image.blobs.keys()) expect(registry.storage.blobs(repository)).toContain(digest);
    for (const child of image.children) expectWhole(registry, repository, child);
  }

  it.each([
    ['an OCI index with attestations', '1.0', index],
    ['a Docker manifest list', '2.0', list],
    ['a single image', '3.0', single],
  ])('copies %s from bearer to basic auth, whole', async (_, tag, image) => {
    await copy(source, tag, target, 'mirror/ci-addon');
    expect(target.storage.resolve('mirror/ci-addon', tag)).toBe(image.digest);
    expectWhole(target, 'mirror/ci-addon', image);
  });

  it('pushes with bearer auth and deletes', async () => {
    await copy(source, '1.0', source, 'mirror/bearer');
    expectWhole(source, 'mirror/bearer', index);
    await run('skopeo', [
      'delete',
      '--tls-verify=false',
      '--creds=ada:horse',
      `docker://${source.host}/mirror/bearer:1.0`,
    ]);
    expect(source.storage.tags('mirror/bearer')).toEqual([]);
  });

  it('inspects the bytes that were put, and lists the tags', async () => {
    const login = ['--tls-verify=false', '--creds=ada:horse'];
    const raw = await run('skopeo', ['inspect', '--raw', ...login, `docker://${source.host}/${name}:1.0`]);
    expect(raw.stdout).toBe(index.bytes.toString());
    const tags = await run('skopeo', ['list-tags', ...login, `docker://${source.host}/${name}`]);
    expect((JSON.parse(tags.stdout) as { Tags: string[] }).Tags).toEqual(['1.0', '2.0', '3.0']);
  });

  it('refuses skopeo without credentials', async () => {
    const inspect = run('skopeo', ['inspect', '--tls-verify=false', `docker://${source.host}/${name}:1.0`]);
    await expect(inspect).rejects.toThrow(/unauthorized|authentication required/);
  });

  it.each(['ecr', 'gar', 'acr', 'docker-hub', 'distribution'] as ProfileName[])(
    'copies to and from a registry with the quirks of %s',
    async (profileName) => {
      const quirky = await startRegistry({
        quirks: { ...profile(profileName), manifestPutsPerSecond: 100 },
        repositories: [name],
      });
      try {
        await copy(source, '2.0', quirky, name);
        expectWhole(quirky, name, list);
        await copy(quirky, '2.0', target, `from/${profileName}`);
        expectWhole(target, `from/${profileName}`, list);
      } finally {
        await quirky.close();
      }
    },
  );

  it('takes as damaged what a fault has damaged', async () => {
    source.faults.add({ match: { method: 'GET', path: /\/blobs\// }, act: 'corrupt', afterBytes: 10 });
    await expect(copy(source, '3.0', target, 'mirror/damaged')).rejects.toThrow(/digest/i);
    expect(target.storage.resolve('mirror/damaged', '3.0')).toBeUndefined();
  });
});
