import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copy } from '../../functions/copy/copy.ts';
import { Transport } from '../../functions/http/transport.ts';
import { anonymous } from '../../functions/oci/registry/auth/credentials.ts';
import { CopyRecord } from '../../functions/oci/copy/checkpoint.ts';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { type Image, loadImage } from '../../functions/oci/spec/image.ts';
import { inParallel } from '../../functions/async/in-parallel.ts';
import { parseManifest } from '../../functions/oci/spec/manifest.ts';
import { mediaTypes } from '../../functions/oci/spec/media-type.ts';
import { type ImageName, parseRegistryLocation } from '../../functions/oci/spec/reference.ts';
import { Registry as OciRegistry } from '../../functions/oci/registry/registry.ts';
import { planCopies, planImages } from '../../functions/plan/images.ts';
import { planWaves } from '../../functions/plan/waves.ts';
import { report } from '../../functions/report/report.ts';
import type { Plan, RegistryCounts, Report } from '../../functions/state/documents.ts';
import { Runtime } from '../../functions/runtime/runtime.ts';
import { parseConfiguration } from '../../functions/settings/configuration.ts';
import { type Registry, startRegistry } from '../../infra/local/embedded/registry/server.ts';
import { FileStore } from '../../infra/local/file-store.ts';
import { storedImage } from '../oci/stored-images.ts';
import { Repository } from '../../functions/oci/registry/repository.ts';

/** The cost of a run by the number of its images. Bytes are those of documents; layers are left out. */
export interface Scale {
  images: number;
  waves: number[];
  /** Time of planning, copying and reporting together. */
  wallMs: number;
  /** Time of dividing the images into waves alone. */
  planMs: number;
  requests: { source: number; target: number };
  /** Requests of a run that finds nothing changed. */
  requestsUnchanged: number;
  /** Bytes of blobs that the target received, by those of its blobs, each counted once. */
  overhead: number;
  /** The largest payload of the workflow, and the number of events in its history. */
  stateBytes: number;
  historyEvents: number;
  planBytes: number;
  reportBytes: number;
}

const runId = 'scale';
/**
 * Copy functions that are warm at the same time: each is a process of its own, and copies one image after the other.
 */
const containers = 8;
/**
 * Events of Step Functions: of one image, of a wave around it, and of the rest of a sync; see the differential test.
 */
const events = { image: 11, wave: 6, rest: 55 };

/**
 * Plans and copies so many small images, by the tasks of a run, between two embedded registries: ten to a base, some of
 * a runtime that images of all bases share, and all with the same empty layer. Copies share no memory.
 */
export async function simulate(images: number): Promise<Scale> {
  const [source, target] = await Promise.all([startRegistry(), startRegistry()]);
  const folder = await mkdtemp(join(tmpdir(), 'scale-'));
  const runtimes: Runtime[] = [];
  const startRuntime = () => {
    const environment = { HARNESS_API_KEY: 'sat.account.id.secret', SOURCE_REGISTRY: source.host };
    const configuration = parseConfiguration(environment);
    const repositories = { ensure: async () => undefined, deleteImages: async (): Promise<false> => false };
    const parts = { harnessApiKey: async () => '', credentials: anonymous, repositories };
    const runtime = new Runtime({ ...parts, configuration, store: new FileStore(folder) });
    runtimes.push(runtime);
    return runtime;
  };
  try {
    const names = publish(images, source);
    const started = performance.now();
    const counts: RegistryCounts[] = [];
    const settings = {
      registry: parseRegistryLocation(target.host),
      sources: [parseRegistryLocation(source.host)],
      platforms: [],
      referrers: 'off' as const,
      read: true,
      expected: new Set<string>(),
    };
    const planner = startRuntime();
    const { found, warnings } = await planImages(names, settings, { runtime: planner });
    const { waves, images: planned } = planCopies(found);
    counts.push(...planner.takeCounts());
    const { registry, referrers } = settings;
    const plan: Plan = {
      runId,
      action: 'sync',
      startedAt: new Date().toISOString(),
      registry,
      referrers,
      prune: false,
      modifyDefault: false,
      onPartialFailure: 'abort',
      changes: [],
      kept: [],
      unused: [],
      images: planned,
      warnings,
    };
    await planner.run(runId).plan.put(plan);
    const idle = Array.from({ length: containers }, startRuntime);
    for (const wave of waves) {
      await inParallel(wave, containers, undefined, async (image, signal) => {
        const runtime = idle.pop() as Runtime;
        const { status } = await copy({ runId, image }, { runtime, signal });
        if (status !== 'copied') throw new Error(`image ${image} is ${status}`);
        idle.push(runtime);
      });
    }
    const { registries = [] }: Report = await report({ runId, state: {} }, { runtime: planner, signal: undefined });
    counts.push(...registries);
    const wallMs = performance.now() - started;
    const requestsOf = (host: string, of: readonly RegistryCounts[]) =>
      of.filter((count) => count.host === host).flatMap(({ requests }) => Object.values(requests));
    const received = bytesReceived(target);
    const unchanged = startRuntime();
    await planImages(names, settings, { runtime: unchanged });
    const loaded = await Promise.all(names.map((name) => imageOf(name, source)));
    const bytes = async (key: string) => (await planner.store.get(`runs/${runId}/${key}.json`))?.length ?? 0;
    const copies = waves.map((wave) => wave.map((image) => ({ image, status: 'copied' })));
    return {
      images,
      waves: waves.map((wave) => wave.length),
      wallMs,
      planMs: timeToPlan(loaded, names),
      requests: { source: sum(requestsOf(source.host, counts)), target: sum(requestsOf(target.host, counts)) },
      requestsUnchanged: sum(unchanged.takeCounts().flatMap(({ requests }) => Object.values(requests))),
      overhead: received / bytesHeld(target),
      stateBytes: JSON.stringify({ run: { runId, route: 'copy', waves, maxConcurrency: 40, prune: false }, copies })
        .length,
      historyEvents: events.rest + events.wave * waves.length + events.image * images,
      planBytes: await bytes('plan'),
      reportBytes: await bytes('report'),
    };
  } finally {
    await Promise.all([...runtimes.map((runtime) => runtime.close()), source.close(), target.close()]);
    await rm(folder, { recursive: true, force: true });
  }
}

const imagesPerBase = 10;
const runtimesShared = 7;
/** Size of a shared blob, large enough to be worth waiting for. An image's own blobs need no size here. */
const sharedBytes = 64 * 1024;

function publish(images: number, registry: Registry): ImageName[] {
  const layer = (text: string, bytes = text.length) => Buffer.alloc(bytes, text);
  return Array.from({ length: images }, (_, i) => {
    const base = Math.floor(i / imagesPerBase);
    const layers = [layer(`base ${base} `, sharedBytes), layer(`base ${base}, more`), layer('empty')];
    if (base % 2 === 0) layers.push(layer(`runtime ${i % runtimesShared} `, sharedBytes));
    layers.push(layer(`own ${i}`), layer(`own ${i}, more`));
    const repository = `scale/image-${i}`;
    registry.storage.putImage(repository, '1', storedImage(layers));
    return { registry: undefined, repository, tag: '1', digest: undefined };
  });
}

function imageOf({ repository, tag }: ImageName, { storage }: Registry): Promise<Image> {
  const digest = storage.resolve(repository, tag ?? '') as Digest;
  const { bytes, mediaType } = storage.manifest(repository, digest) ?? { bytes: Buffer.alloc(0), mediaType: undefined };
  return loadImage(parseManifest(bytes, mediaType, digest), () => Promise.reject(new TypeError('no children here')));
}

function timeToPlan(images: readonly Image[], names: readonly ImageName[]): number {
  const list = images.map(({ blobs }, i) => ({ blobs, repository: names[i]?.repository ?? '' }));
  const started = performance.now();
  planWaves(list);
  return performance.now() - started;
}

/** Bytes of the checkpoint of an image of so many blobs, half of which have arrived. */
export function checkpointBytes(blobs: number): number {
  const digest = (i: number) => `sha256:${i.toString(16).padStart(64, '0')}` as Digest;
  const descriptors = Array.from({ length: blobs }, (_, i) => ({
    mediaType: mediaTypes.ociManifest,
    digest: digest(i),
    size: 1,
  }));
  const bytes = Buffer.from(JSON.stringify({ config: descriptors[0], layers: [] }));
  const root = parseManifest(bytes, mediaTypes.ociManifest);
  const image: Image = { root, manifests: [root], blobs: descriptors, size: blobs };
  const registry = new OciRegistry({
    registry: 'registry.example.com',
    transport: new Transport(),
    credentials: anonymous,
  });
  const record = new CopyRecord(image, new Repository(registry, 'scale/image'));
  for (const blob of descriptors.slice(blobs / 2)) record.finish(blob.digest, 'uploaded');
  return JSON.stringify(record.write(Date.now())).length;
}

function bytesReceived({ requests }: Registry): number {
  return sum(requests.filter(({ path }) => path.includes('/blobs/')).map(({ bytesIn }) => bytesIn));
}

function bytesHeld({ storage }: Registry): number {
  const held = storage.repositories().flatMap((name) => storage.blobs(name).map((digest) => [name, digest] as const));
  return sum([...new Map(held.map(([name, digest]) => [digest, storage.blob(name, digest)?.size ?? 0])).values()]);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
