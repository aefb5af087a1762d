import { execFile } from 'node:child_process';
import { stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { available } from '../real-parts.ts';
import { type Factory, imageStatuses, pullThrough, startFactory } from '../tasks/factory.ts';
import { command, type DockerRegistry, startDockerRegistry } from './docker-registry.ts';

// A garbage collector that others wrote, and a client that pulls what came of it.
const missing = [command, 'skopeo'].filter((part) => !available(part));
const run = promisify(execFile);

const name = 'plugins/cache';
const image = `${name}:1.10.12`;
const choice = { include_fields: ['cacheS3Tag'] };

interface Index {
  manifests: { digest: string }[];
}
interface Manifest {
  config: { digest: string };
  layers: { digest: string }[];
}

(missing.length === 0 ? describe : describe.skip)(
  `a copy at docker-registry${missing.length === 0 ? '' : ` (not on PATH: ${missing.join(', ')})`}`,
  () => {
    let registry: DockerRegistry;
    let prefix: string;
    let factory: Factory;
    let children: string[];
    let runs = 0;

    beforeAll(async () => {
      registry = await startDockerRegistry();
    });
    afterAll(() => registry.close());

    beforeEach(async () => {
      prefix = `mirror-${++runs}`;
      factory = await startFactory({ samples: {}, environment: { REGISTRY_NAME: `${registry.host}/${prefix}` } });
      pullThrough(factory.harness, `http://${registry.host}`);
      expect((await factory.sync(choice)).error).toBeUndefined();
      children = (await get<Index>('manifests/1.10.12')).manifests.map(({ digest }) => digest);
    });
    afterEach(() => factory.close());

    const at = (path: string) => `http://${registry.host}/v2/${prefix}/${name}/${path}`;

    async function get<T>(path: string): Promise<T> {
      const accept = 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json';
      return (await fetch(at(path), { headers: { accept } })).json() as Promise<T>;
    }

    async function layerOf(child = ''): Promise<string> {
      return (await get<Manifest>(`manifests/${child}`)).layers[0]?.digest ?? '';
    }

    async function remove(path: string): Promise<void> {
      expect((await fetch(at(path), { method: 'DELETE' })).status).toBe(202);
    }

    /** Has skopeo pull everything that the tag leads to. */
    async function pull(): Promise<void> {
      const [from, to] = [`${registry.host}/${prefix}/${image}`, `${factory.target.host}/pulled:${runs}`];
      const noTls = ['--src-tls-verify=false', '--dest-tls-verify=false'];
      await run('skopeo', ['copy', '--all', '--preserve-digests', ...noTls, `docker://${from}`, `docker://${to}`]);
      expect(factory.target.storage.resolve('pulled', String(runs))).toBe(factory.official(image));
    }

    it.each<[string, () => Promise<void>]>([
      ['lost a layer', async () => remove(`blobs/${await layerOf(children[1])}`)],
      ['lost a platform', () => remove(`manifests/${children[1]}`)],
      [
        'lost a platform and a layer of another one',
        async () => {
          await remove(`blobs/${await layerOf(children[0])}`);
          await remove(`manifests/${children[1]}`);
        },
      ],
      ['lost all platforms and layers to the garbage collector', () => registry.collectGarbage()],
    ])('verify names an image that %s, and the next sync makes it whole', async (_, damage) => {
      await damage();
      const found = await factory.run('verify', choice);
      expect(found.error?.name).toBe('DriftFound');
      expect(found.incomplete).toHaveLength(1);
      await expect(pull()).rejects.toThrow();
      const report = await factory.sync(choice);
      expect(report).toMatchObject({ status: 'SUCCEEDED', totals: { repaired: 1 } });
      expect(imageStatuses(report)).toEqual({ [image]: 'repaired' });
      await pull();
      expect((await factory.run('verify', choice)).status).toBe('SUCCEEDED');
    });

    it('names an image that lost the end of a layer, and never reports it as repaired while the registry keeps the rest', async () => {
      const layer = await layerOf(children[0]);
      const [, hex = ''] = layer.split(':');
      const file = join(registry.data, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
      const { size } = await stat(file);
      await truncate(file, size - 1);
      const found = await factory.run('verify', choice);
      expect(found.incomplete).toMatchObject([{ missing: [{ kind: 'blob', digest: layer, size }] }]);
      const [row] = (await factory.sync({ ...choice, recheck_days: 0 })).images;
      expect(row?.error).toMatchObject({
        name: 'ImagesIncomplete',
        message: expect.stringContaining(`still lacks blob ${layer}`),
        hint: expect.stringContaining('garbage'),
      });
      // As the hint says: without the repository, the garbage collector takes the file.
      for (const digest of [...children, factory.official(image)]) await remove(`manifests/${digest}`);
      await registry.collectGarbage();
      expect((await factory.sync(choice)).error).toBeUndefined();
      await pull();
    });

    it('copies only the layer that an image lost', async () => {
      const layer = await layerOf(children[0]);
      await remove(`blobs/${layer}`);
      const before = registry.requests.length;
      const { images } = await factory.sync({ ...choice, recheck_days: 0 });
      expect(images[0]?.bytesTransferred).toBe(factory.source.storage.blob(name, layer)?.size);
      const uploads = registry.requests.slice(before).filter(({ method, target }) => {
        return method === 'PUT' && target.includes('/blobs/uploads/');
      });
      expect(uploads.length).toBeLessThanOrEqual(1);
      await pull();
    });
  },
);
