import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BlobLedger } from '../../functions/oci/copy/blob-ledger.ts';
import { deleteManifest, deleteTag, getManifest, resolveTag } from '../../functions/oci/registry/manifests.ts';
import { Repository } from '../../functions/oci/registry/repository.ts';
import { profileOf, type UploadWay } from '../../functions/oci/registry/profile.ts';
import { listTags } from '../../functions/oci/registry/tags.ts';
import { type Registry as EmbeddedRegistry, startRegistry } from '../../infra/local/embedded/registry/server.ts';
import type { Image } from '../../infra/local/embedded/registry/storage.ts';
import { sampleImage } from '../../infra/local/embedded/sample-images.ts';
import { connect, copy, disconnect, errorOf, expectWhole } from '../oci/connect.ts';
import { always } from '../oci/providers.ts';
import { artifact, indexOf, storedImage } from '../oci/stored-images.ts';
import { available } from '../real-parts.ts';
import { command, type DockerRegistry, login, startDockerRegistry } from './docker-registry.ts';

// Registries and a client that others wrote: what holds here is not our reading of the specification alone.
const missing = [command, 'skopeo'].filter((part) => !available(part));
const run = promisify(execFile);

const name = 'harness/ci-addon';
const layerBytes = 4096;
const amd64 = [{ os: 'linux', architecture: 'amd64' }];
const single = sampleImage({ name, tag: 'single', platforms: amd64, layerBytes });
const list = sampleImage({ name, tag: 'list', docker: true, layerBytes });
const images: Record<string, Image> = {
  index: sampleImage({ name, tag: 'index', attestations: true, layerBytes }),
  list,
  single,
  'docker-single': sampleImage({ name, tag: 'docker-single', docker: true, platforms: amd64, layerBytes }),
  nested: indexOf([indexOf([single]), list]),
  // More than one chunk.
  large: storedImage([
    Buffer.alloc(9 * 1024 * 1024, 'large'),
    Buffer.alloc(0),
    Buffer.from('twice'),
    Buffer.from('twice'),
  ]),
  artifact: artifact('application/spdx+json', Buffer.from('sbom'), single),
};
const tags = Object.keys(images).toSorted();
const bySkopeo = ['index', 'list', 'single', 'docker-single'];

(missing.length === 0 ? describe : describe.skip)(
  `docker-registry${missing.length === 0 ? '' : ` (not on PATH: ${missing.join(', ')})`}`,
  () => {
    let samples: EmbeddedRegistry;
    let open: DockerRegistry;
    let closed: DockerRegistry;
    let source: Repository;
    let target: Repository;

    beforeAll(async () => {
      [samples, open, closed] = await Promise.all([
        startRegistry(),
        startDockerRegistry(),
        startDockerRegistry({ auth: true }),
      ]);
      source = new Repository(connect(open.host), name);
      target = new Repository(connect(closed.host, { credentials: always(login) }), 'mirror/ci-addon');
      const sample = new Repository(connect(samples.host), name);
      for (const [tag, image] of Object.entries(images)) {
        samples.storage.putImage(name, tag, image);
        await copy(sample, tag, source);
      }
    });
    afterAll(async () => {
      await disconnect();
      await Promise.all([samples, open, closed].map((registry) => registry.close()));
    });

    const noTls = ['--src-tls-verify=false', '--dest-tls-verify=false'];
    const creds = `${login.username}:${login.password}`;

    async function rawBySkopeo(repository: string, tag: string): Promise<string> {
      const image = `docker://${closed.host}/${repository}:${tag}`;
      return (await run('skopeo', ['inspect', '--raw', '--tls-verify=false', `--creds=${creds}`, image])).stdout;
    }

    it.each(tags)('holds "%s", pushed by our copier, under its digest', async (tag) => {
      expect(await resolveTag(source, tag)).toBe(images[tag]?.digest);
    });

    it.each(tags)('passes "%s" on to another, byte for byte as skopeo reads it', async (tag) => {
      await copy(source, tag, target);
      expect(await resolveTag(target, tag)).toBe(images[tag]?.digest);
      expect(await rawBySkopeo('mirror/ci-addon', tag)).toBe(images[tag]?.bytes.toString());
    });

    it.each(bySkopeo)('lets skopeo pull "%s" whole, with the digests that were pushed', async (tag) => {
      const destination = `docker://${samples.host}/skopeo/pulled:${tag}`;
      const from = `docker://${closed.host}/mirror/ci-addon:${tag}`;
      await run('skopeo', ['copy', '--all', '--preserve-digests', ...noTls, `--src-creds=${creds}`, from, destination]);
      expect(samples.storage.resolve('skopeo/pulled', tag)).toBe(images[tag]?.digest);
    });

    it.each(bySkopeo)('gives us "%s" as skopeo has pushed it', async (tag) => {
      const [from, to] = [samples.host + `/${name}`, `${open.host}/pushed/by-skopeo`].map(
        (path) => `docker://${path}:${tag}`,
      );
      await run('skopeo', ['copy', '--all', '--preserve-digests', ...noTls, from ?? '', to ?? '']);
      const pushed = new Repository(source.registry, 'pushed/by-skopeo');
      expect(await resolveTag(pushed, tag)).toBe(images[tag]?.digest);
      await copy(pushed, tag, new Repository(target.registry, 'mirror/by-skopeo'));
      expect(await rawBySkopeo('mirror/by-skopeo', tag)).toBe(images[tag]?.bytes.toString());
    });

    it('lists its tags, and has no list for a repository that is not there', async () => {
      expect((await listTags(source))?.toSorted()).toEqual(tags);
      expect(await listTags(new Repository(source.registry, 'not/there'))).toBeUndefined();
    });

    it.each<[UploadWay, number]>([
      ['put', 0],
      ['patch', 3],
      // Three chunks of the large layer.
      ['chunk', 5],
    ])('takes blobs by %s', async (way, patches) => {
      const large = images['large'] as Image;
      const chunkBytes = 4 * 1024 * 1024;
      const profile = { ...profileOf(closed.host), ...(way !== 'put' && { maxPut: 0, large: way, chunkBytes }) };
      const there = new Repository(connect(closed.host, { credentials: always(login), profile }), `mirror/${way}`);
      const before = closed.requests.length;
      expect(await copy(source, 'large', there)).toMatchObject({ confirmed: true });
      await settled(closed, before, /manifests\/large$/);
      expect(closed.requests.slice(before).filter(({ method }) => method === 'PATCH')).toHaveLength(patches);
      await copy(there, 'large', new Repository(connect(samples.host), `back/${way}`));
      expectWhole(samples, `back/${way}`, large);
    });

    it('sends nothing that the registry has', async () => {
      const before = closed.requests.length;
      const totals = await copy(source, 'index', target);
      expect(totals.bytesTransferred).toBe(0);
      // The log comes by a pipe of its own; a request that is answered last is logged last.
      await settled(closed, before, /manifests\/index$/);
      const requests = closed.requests.slice(before);
      expect(requests.filter(({ method, target }) => /PATCH|PUT/.test(method) && target.includes('/blobs/'))).toEqual(
        [],
      );
      // An upload that begins with a mount from the repository itself is how it says what it has.
      expect(requests.filter(({ method, status }) => method === 'POST' && status !== 201)).toEqual([]);
    });

    it('mounts what another repository holds: no byte of it is sent again', async () => {
      const ledger = new BlobLedger();
      await copy(source, 'index', new Repository(target.registry, 'mirror/first'), { ledger });
      const before = closed.requests.length;
      const totals = await copy(source, 'index', new Repository(target.registry, 'mirror/second'), { ledger });
      expect(totals.bytesTransferred).toBe(0);
      await settled(closed, before, /second\/manifests\/index$/);
      const requests = closed.requests.slice(before);
      const posts = requests.filter(({ method }) => method === 'POST');
      expect(posts.length).toBeGreaterThan(4);
      expect(posts.filter(({ target: to, status }) => !to.includes('mount=sha256') || status !== 201)).toEqual([]);
      expect(requests.filter(({ method, target: to }) => /PATCH|PUT/.test(method) && to.includes('/blobs/'))).toEqual(
        [],
      );
      expect(await rawBySkopeo('mirror/second', 'index')).toBe(images['index']?.bytes.toString());
    });

    it('refuses wrong and missing credentials: RegistryUnauthorized, without the password', async () => {
      const wrong = connect(closed.host, { credentials: always({ username: 'ada', password: 'wr0ng-s3cret' }) });
      for (const registry of [wrong, connect(closed.host)]) {
        const error = await errorOf(copy(source, 'single', new Repository(registry, 'mirror/refused')));
        expect(error).toMatchObject({ name: 'RegistryUnauthorized', status: 401 });
        expect(`${error.stack} ${JSON.stringify(error)}`).not.toContain('s3cret');
      }
      expect(await listTags(new Repository(target.registry, 'mirror/refused'))).toBeUndefined();
    });

    it('does not have a missing image: ImageNotFound, with its name', async () => {
      expect(await resolveTag(source, 'missing')).toBeUndefined();
      expect(await errorOf(getManifest(source, 'missing'))).toMatchObject({
        name: 'ImageNotFound',
        code: 'MANIFEST_UNKNOWN',
        message: expect.stringContaining(`${open.host}/${name}`),
      });
    });

    it('deletes an image with its tag', async () => {
      const repository = new Repository(target.registry, 'mirror/deleted');
      await copy(source, 'single', repository);
      await deleteManifest(repository, single.digest as Parameters<typeof deleteManifest>[1]);
      expect(await resolveTag(repository, 'single')).toBeUndefined();
    });

    it('does not delete a tag alone, which costs one request', async () => {
      const repository = new Repository(target.registry, 'mirror/untagged');
      await copy(source, 'single', repository);
      const before = closed.requests.length;
      expect(await deleteTag(repository, 'single')).toBe(false);
      expect(await deleteTag(repository, 'single')).toBe(false);
      expect(await resolveTag(repository, 'single')).toBe(single.digest);
      expect(closed.requests.slice(before).filter(({ method }) => method === 'DELETE').length).toBeLessThanOrEqual(1);
    });
  },
);

/** Waits until the log has a PUT of that target after a number of requests. */
async function settled(registry: DockerRegistry, from: number, target: RegExp): Promise<void> {
  const isLogged = () => registry.requests.slice(from).some((r) => r.method === 'PUT' && target.test(r.target));
  for (let turn = 0; turn < 1_000 && !isLogged(); turn++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(isLogged()).toBe(true);
}
