import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openFile } from '../../../functions/oci/layout/file-reader.ts';
import { folderFiles } from '../../../functions/oci/layout/folder-files.ts';
import { blobPath } from '../../../functions/oci/layout/layout.ts';
import { tarFiles } from '../../../functions/oci/layout/tar-files.ts';
import { type Digest, isDigest } from '../../../functions/oci/spec/digest.ts';
import type { LayoutPlace } from '../../bundle/layout-tools.ts';
import { startDelayProxy } from '../delay-proxy.ts';
import { measure } from '../measure.ts';
import { attempt, checkArrival, inWords, median, type Outcome } from '../outcome.ts';
import { portOf, type RegistryProcess, startRegistry } from '../registry.ts';
import { createTls, type Tls, trusting } from '../tls.ts';
import { type BenchImage, prepare } from '../workloads.ts';
import { bundlePeers, factory, isExport } from './contenders.ts';
import { type SetName, sets } from './sets.ts';
import { type BundleMeasurement, type BundleRow, type Content, type Contender, type Work } from './works.ts';

export interface BundleBenchOptions {
  readonly sets: readonly SetName[];
  readonly works: readonly Work[];
  /** Added round trip times to the registry, in milliseconds. */
  readonly rtts: readonly number[];
  /** Measurements of each kind. The median counts. One more measures the temporary disk. */
  readonly repeat: number;
  /** Families of contenders; default: all that are on PATH. */
  readonly peers?: readonly string[] | undefined;
  /** Factor on the size of layers, default 1. */
  readonly scale?: number;
  /** Plain HTTP instead of TLS. */
  readonly plain?: boolean;
  /** Measures everything in one round, and leaves out the wait for earlier writes, which makes figures comparable. */
  readonly trial?: boolean;
  /** Host name of the registry over TLS; default: the name of this machine, or `registry.test`. */
  readonly host?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (line: string) => void;
}

export interface BundleBenchResult {
  readonly rows: readonly BundleRow[];
  readonly contents: Readonly<Partial<Record<SetName, Content>>>;
  readonly legend: readonly string[];
  readonly missing: readonly string[];
  /** True when the layers had their full sizes. */
  readonly isFull: boolean;
}

/** The images of a set in the store of a registry, and in bundles. */
interface Site {
  readonly folder: string;
  readonly tls: Tls | undefined;
  readonly store: string;
  readonly images: readonly BenchImage[];
  /** Size of each manifest and blob. */
  readonly pieces: ReadonlyMap<Digest, number>;
  readonly trial: boolean;
}

/** Measures exports to bundles and imports from bundles, with every contender side by side. */
export async function benchBundles(options: BundleBenchOptions): Promise<BundleBenchResult> {
  const { repeat, scale = 1, trial = false, signal, onProgress } = options;
  const folder = await mkdtemp(join(tmpdir(), 'factory-bench-'));
  try {
    const own = factory(folder);
    const wanted = [...own, ...bundlePeers].filter(({ family }) => options.peers?.includes(family) ?? true);
    const present = wanted.filter((contender) => contender.available());
    const tls = options.plain ? undefined : await createTls(join(folder, 'tls'), options.host);
    // First, so that a broken tool fails now and not after an hour.
    const legend = await Promise.all(
      present.map(async (each) => [`${each.name}: ${await each.version()}`, each.note ?? []].flat().join(', ')),
    );
    const rows: BundleRow[] = [];
    const contents: Partial<Record<SetName, Content>> = {};
    for (const set of options.sets) {
      onProgress?.(`${set}: ${sets[set].about}`);
      const store = join(folder, 'source');
      const { images, blobBytes } = await prepare(sets[set], store, scale, signal);
      const pieces = await piecesOf(store);
      const manifests = images.reduce((sum, { digests }) => sum + digests.length, 0);
      const bytes = [...pieces.values()].reduce((sum, size) => sum + size, 0);
      contents[set] = { images: images.length, manifests, blobs: pieces.size - manifests, bytes, blobBytes };
      const site = { folder, tls, store, images, pieces, trial };
      await makeBundles(site, own, signal);
      for (const rttMs of options.rtts) {
        for (const work of options.works) {
          const runs = present
            .filter((contender) => contender.works.includes(work))
            .map((contender) => ({ contender, outcomes: [] as Outcome<BundleMeasurement>[] }));
          // All contenders once, then all again, so that other load on the machine affects each of them. A look at the disk
          // slows them down, so the disk has a round of its own, which does not count in the times.
          for (let round = trial ? repeat : 0; round <= repeat; round++) {
            for (const { contender, outcomes } of runs) {
              const run = { contender, work, rttMs, signal, watches: trial || round === 0 };
              const outcome = await attempt(() => measureOnce(site, run), signal);
              outcomes.push(outcome);
              onProgress?.(`  ${rttMs} ms, ${work}, round ${round}, ${contender.name}: ${inWords(outcome)}`);
            }
          }
          for (const { contender, outcomes } of runs)
            rows.push({ set, work, rttMs, contender: contender.name, family: contender.family, ...inSum(outcomes) });
        }
      }
      await rm(store, { recursive: true });
      await rm(join(folder, 'bundles'), { recursive: true });
    }
    const missing = [...new Set(wanted.filter((each) => !present.includes(each)).map(({ family }) => family))];
    return { rows, contents, legend, missing, isFull: scale === 1 };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Returns the first failure, or the median of the rounds that were not watched, with the disk of the one that was. */
function inSum([watched, ...timed]: readonly Outcome<BundleMeasurement>[]): Outcome<BundleMeasurement> {
  if (!watched || 'failure' in watched || timed.length === 0) return watched ?? { failure: 'not measured' };
  const middle = median(timed);
  const { temporaryBytes } = watched.measurement;
  return 'failure' in middle ? middle : { measurement: { ...middle.measurement, temporaryBytes } };
}

/** Returns the manifests and blobs that a registry keeps in a folder, with their sizes. */
async function piecesOf(store: string): Promise<Map<Digest, number>> {
  const blobs = join(store, 'docker/registry/v2/blobs/sha256');
  const pieces = new Map<Digest, number>();
  for (const prefix of await readdir(blobs)) {
    for (const hex of await readdir(join(blobs, prefix))) {
      const digest = `sha256:${hex}`;
      if (isDigest(digest)) pieces.set(digest, (await stat(join(blobs, prefix, hex, 'data'))).size);
    }
  }
  return pieces;
}

function placeIn(folder: string, work: Work, name = 'bundle'): LayoutPlace {
  return work === 'export-folder' || work === 'export-again' || work === 'import-folder'
    ? { kind: 'folder', path: join(folder, `${name}-folder`) }
    : { kind: 'tar', path: join(folder, `${name}.tar`) };
}

/** Writes the set as bundles, which imports read. Runs the library once, so that its code is compiled. */
async function makeBundles(site: Site, [, engine]: readonly Contender[], signal?: AbortSignal): Promise<void> {
  if (!engine) throw new TypeError('no library');
  for (const work of ['export-folder', 'export-tar'] as const) {
    const bundles = join(site.folder, 'bundles');
    await mkdir(bundles, { recursive: true });
    await measureOnce(site, { contender: engine, work, rttMs: 0, signal, bundles });
  }
}

interface Run {
  readonly contender: Contender;
  readonly work: Work;
  readonly rttMs: number;
  readonly signal?: AbortSignal | undefined;
  /** The folder of the bundle; default: that of the run, or that of the set. */
  readonly bundles?: string;
  /** Measures the temporary disk. */
  readonly watches?: boolean;
}

/** Measures once, with a new registry, a new home, a new bundle and new ports. */
async function measureOnce(site: Site, { contender, work, rttMs, signal, ...run }: Run): Promise<BundleMeasurement> {
  const { folder, tls, store, images, pieces, trial } = site;
  const home = join(folder, 'home');
  const temporary = join(home, 'tmp');
  const out = join(folder, 'out');
  const data = join(folder, 'target');
  await using cleanup = new AsyncDisposableStack();
  for (const path of [home, out, data]) cleanup.defer(() => rm(path, { recursive: true, force: true }));
  await mkdir(temporary, { recursive: true });
  await mkdir(out);
  const registry = cleanup.use(await startRegistry(isExport(work) ? store : data, tls));
  const seen = rttMs === 0 ? registry.host : cleanup.use(await startDelayProxy(registry.host, rttMs)).host;
  const bundles = run.bundles ?? (isExport(work) ? out : join(folder, 'bundles'));
  const job = {
    work,
    images,
    scheme: tls ? ('https' as const) : ('http' as const),
    registry: tls ? `${tls.name}:${portOf(seen)}` : seen,
    bundle: placeIn(bundles, work),
    home,
    temporary,
  };
  const start = async (more: Partial<typeof job & { base: string }> = {}) => {
    const { argv, environment } = await contender.command({ ...job, ...more });
    return measure(
      { argv, environment: { ...environment, TMPDIR: temporary, ...(tls && trusting(tls)) } },
      home,
      signal,
    );
  };
  const isDelta = work === 'export-delta';
  if (isDelta || work === 'export-again') {
    await start();
    await registry.settle();
    registry.requests.length = 0;
  }
  const bundle = isDelta ? placeIn(out, work, 'delta') : job.bundle;
  const before = await bytesIn(home);
  // Writes that the contender before left must not slow this one down.
  if (!trial) await promisify(execFile)('sync');
  const watched = run.watches ? watch(home) : undefined;
  const usage = await start({ bundle, ...(isDelta && { base: join(out, 'bundle.bundle.json') }) }).finally(() =>
    watched?.stop(),
  );
  if (isExport(work)) {
    if (!isDelta) await checkExport(bundle, pieces);
  } else await checkArrival(registry, images);
  await registry.settle();
  const moved = registry.requests.flatMap((request) => (isExport(work) ? pulled(request) : uploaded(request)));
  return {
    ...usage,
    temporaryBytes: watched ? Math.max(0, watched.peak() - before) : 0,
    bytesOut: isExport(work)
      ? await bytesIn(bundle.path)
      : moved.reduce((sum, digest) => sum + (pieces.get(digest) ?? 0), 0),
    blobs: moved.length,
    requests: registry.requests.length,
  };
}

/** Watches how many bytes a folder holds, in a tenth of the time at most: a look at hundreds of files takes some. */
function watch(folder: string): { stop(): Promise<void>; peak(): number } {
  let peak = 0;
  let isOn = true;
  const watching = (async () => {
    while (isOn) {
      const begun = performance.now();
      peak = Math.max(peak, await bytesIn(folder));
      const pause = Math.max(20, 9 * (performance.now() - begun));
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  })();
  return {
    peak: () => peak,
    async stop() {
      isOn = false;
      await watching;
    },
  };
}

/** Returns the bytes of a file, or of the files in a folder. A file that vanishes meanwhile has none. */
async function bytesIn(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) return found?.size ?? 0;
  const names = await readdir(path).catch(() => []);
  const sizes = await Promise.all(names.map((name) => bytesIn(join(path, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Throws unless a bundle has every manifest and blob: a fast export must be complete. */
async function checkExport({ kind, path }: LayoutPlace, pieces: Site['pieces']): Promise<void> {
  const files = kind === 'folder' ? folderFiles(path) : await tarFiles(await openFile(path));
  try {
    for (const [digest, size] of pieces) {
      const found = await files.size(blobPath(digest));
      if (found !== size) throw new Error(`${digest} has ${found ?? 'no'} bytes in the bundle, not ${size}`);
    }
  } finally {
    await files.close();
  }
}

type Request = RegistryProcess['requests'][number];

function pulled({ method, target, status }: Request): Digest[] {
  const [, digest = ''] = /\/blobs\/(sha256:[0-9a-f]{64})$/.exec(target) ?? [];
  return method === 'GET' && status < 300 && isDigest(digest) ? [digest] : [];
}

function uploaded({ method, target, status }: Request): Digest[] {
  const digest = new URLSearchParams(target.split('?')[1]).get('digest') ?? '';
  const isUpload = (method === 'PUT' || method === 'POST') && target.includes('/blobs/uploads/');
  return isUpload && status === 201 && isDigest(digest) ? [digest] : [];
}
