import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { resolveTag } from '../../functions/oci/registry/manifests.ts';
import type { Runtime } from '../../functions/runtime/runtime.ts';
import { parseConfiguration } from '../../functions/settings/configuration.ts';
import { type Registry as EmbeddedRegistry, startRegistry } from '../../infra/local/embedded/registry/server.ts';
import { sampleImage } from '../../infra/local/embedded/sample-images.ts';
import { createLocalRuntime } from '../../infra/local/local-runtime.ts';
import { MemoryStore } from '../state/memory-store.ts';
import { Repository } from '../../functions/oci/registry/repository.ts';

const image = sampleImage({ name: 'mirror/app', tag: '1', layerBytes: 100 });
const entry = (user: string, password: string) => ({ auth: Buffer.from(`${user}:${password}`).toString('base64') });

let runtime: Runtime | undefined;
let registry: EmbeddedRegistry | undefined;
let folder: string | undefined;
afterEach(async () => {
  await runtime?.close();
  await registry?.close();
  if (folder) await rm(folder, { recursive: true, force: true });
});

describe('registry logins of a local run', () => {
  /** Looks an image up by what the variable and the file hold; returns the notes of the run. */
  async function lookUp(variable: (host: string) => object, file: (host: string) => object): Promise<string[]> {
    registry = await startRegistry({ auth: { kind: 'basic', users: { ada: 'horse' } } });
    registry.storage.putImage('mirror/app', '1', image);
    folder = await mkdtemp(join(tmpdir(), 'registry-logins-'));
    await writeFile(join(folder, 'config.json'), JSON.stringify(file(registry.host)));
    const environment = {
      HARNESS_API_KEY: 'sat.a.b.c',
      DOCKER_CONFIG: folder,
      DOCKER_AUTH_CONFIG: JSON.stringify(variable(registry.host)),
    };
    const notes: string[] = [];
    runtime = createLocalRuntime(parseConfiguration(environment), environment, {
      store: new MemoryStore(),
      onProgress: (event) => void (event.kind === 'note' && notes.push(event.message)),
    });
    const repository = new Repository(runtime.registry(registry.host), 'mirror/app');
    expect(await resolveTag(repository, '1')).toBe(image.digest);
    return notes;
  }

  it('come from DOCKER_AUTH_CONFIG before the file', async () => {
    const notes = await lookUp(
      (host) => ({ auths: { [host]: entry('ada', 'horse') } }),
      (host) => ({ auths: { [host]: entry('ada', 'old') } }),
    );
    expect(notes).toEqual([]);
    expect(registry?.requests.map(({ status }) => status)).toEqual([401, 200]);
  });

  it('come from the file where DOCKER_AUTH_CONFIG has none for the registry', async () => {
    const notes = await lookUp(
      () => ({ auths: { 'other.example.com': entry('ada', 'horse') } }),
      (host) => ({ auths: { [host]: entry('ada', 'horse') } }),
    );
    expect(notes).toEqual([]);
  });

  it('come from the file when that of DOCKER_AUTH_CONFIG is refused, with a note', async () => {
    const notes = await lookUp(
      (host) => ({ auths: { [`${host}/mirror`]: entry('ada', 'old') } }),
      (host) => ({ auths: { [host]: entry('ada', 'horse') } }),
    );
    expect(notes).toEqual([expect.stringMatching(/"127\.0\.0\.1:\d+\/mirror" in DOCKER_AUTH_CONFIG failed/)]);
  });

  it('ignore a helper that is not installed', async () => {
    const notes = await lookUp(
      () => ({ credsStore: 'desktop.exe' }),
      (host) => ({ auths: { [host]: entry('ada', 'horse') } }),
    );
    expect(notes).toEqual([expect.stringContaining('docker-credential-desktop.exe')]);
  });
});

it.each(['{"auths": {"r.io": ', '[]'])('refuses a DOCKER_AUTH_CONFIG that is no config.json: %s', (text) => {
  const environment = { HARNESS_API_KEY: 'sat.a.b.c', DOCKER_AUTH_CONFIG: text };
  const create = () => createLocalRuntime(parseConfiguration(environment), environment, { store: new MemoryStore() });
  expect(create).toThrow(
    expect.objectContaining({ name: 'InvalidConfiguration', message: expect.stringContaining('DOCKER_AUTH_CONFIG') }),
  );
});
