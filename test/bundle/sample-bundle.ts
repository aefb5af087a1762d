import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import {
  type BundleOrder,
  type BundlePlan,
  type ImageToBundle,
  planBundle,
} from '../../functions/bundle/plan-bundle.ts';
import { Repository } from '../../functions/oci/registry/repository.ts';
import type { Source } from '../../functions/oci/registry/source.ts';
import { parseReference } from '../../functions/oci/spec/reference.ts';
import { type Registry as EmbeddedRegistry, startRegistry } from '../../infra/local/embedded/registry/server.ts';
import type { Image } from '../../infra/local/embedded/registry/storage.ts';
import { sampleImage } from '../../infra/local/embedded/sample-images.ts';
import { connect, disconnect } from '../oci/connect.ts';
import { artifact, storedImage } from '../oci/stored-images.ts';

const layerBytes = 40_000;
/** Larger than what is read ahead in memory. */
const largeLayer = Buffer.alloc(9 * 1024 * 1024, 'a large layer');

/** Images of all shapes, by their names and tags. */
export const samples: Readonly<Record<string, Image>> = {
  'harness/ci-addon:1.18': sampleImage({ name: 'harness/ci-addon', tag: '1.18', attestations: true, layerBytes }),
  'harness/ci-lite-engine:1.18': sampleImage({ name: 'harness/ci-lite-engine', tag: '1.18', layerBytes }),
  'plugins/docker:21': sampleImage({ name: 'plugins/docker', tag: '21', docker: true, layerBytes }),
  'plugins/large:1': storedImage([largeLayer, Buffer.alloc(0)]),
  'plugins/sha512:1': storedImage([Buffer.from('long name')], { algorithm: 'sha512' }),
};
export const signature = artifact(
  'application/vnd.dev.cosign.artifact.sig.v1+json',
  Buffer.from('signature'),
  samples['plugins/large:1'],
);

export let registry: EmbeddedRegistry;
export let folder: string;

/** Starts a registry with the samples and a temporary folder before the tests of the file. */
export function useSamples(): void {
  beforeAll(async () => {
    registry = await startRegistry();
    folder = await mkdtemp(join(tmpdir(), 'bundle-'));
    for (const [reference, image] of Object.entries(samples)) {
      const { repository, tag = '' } = parseReference(`docker.io/${reference}`);
      registry.storage.putImage(repository, tag, image);
    }
    registry.storage.putImage('plugins/large', undefined, signature);
  });
  afterAll(async () => {
    await disconnect();
    await registry.close();
    await rm(folder, { recursive: true });
  });
}

/** Returns an image of the registry as an order has it. */
export async function toBundle(
  reference: string,
  wrap: (source: Source) => Source = (source) => source,
): Promise<ImageToBundle> {
  const name = parseReference(`docker.io/${reference}`);
  const source = wrap(new Repository(connect(registry.host), name.repository));
  const root = await source.manifest(name.tag ?? '');
  return { name, root, sources: [source], sourceName: 'dockerhub', roles: [] };
}

/** Returns the same source, whose blobs are read by `blob`. */
export function withBlobs(source: Source, blob: Source['blob']): Source {
  return {
    registry: source.registry,
    manifest: (reference, signal) => source.manifest(reference, signal),
    digestOf: (reference, options) => source.digestOf(reference, options),
    referrers: (subject, options) => source.referrers(subject, options),
    blob,
  };
}

/** Plans a bundle of some samples, by default of all. */
export async function planSamples(
  more: Partial<BundleOrder> = {},
  references: readonly string[] = Object.keys(samples),
): Promise<BundlePlan> {
  return planBundle({
    images: await Promise.all(references.map((reference) => toBundle(reference))),
    createdAt: '2026-11-29T10:00:00.000Z',
    factory: '0.1.0',
    base: [],
    policy: { platforms: [], referrers: 'all', pins: {} },
    ...more,
  });
}

/** Joins a tar and its parts, in the order that a shell has for `NAME.tar*`. */
export async function joined(name: string): Promise<Buffer> {
  const files = (await readdir(folder)).filter((file) => file === name || /^\.\d+$/.test(file.slice(name.length)));
  const own = files.filter((file) => file.startsWith(name)).toSorted();
  return Buffer.concat(await Promise.all(own.map((file) => readFile(join(folder, file)))));
}
