import { execFile } from 'node:child_process';
import { cpSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startHarnessApi } from '../../infra/local/embedded/harness-api/server.ts';
import { startDelayProxy } from './delay-proxy.ts';
import { startDigestRegistry } from './digest-registry.ts';
import { measure } from './measure.ts';
import { attempt, checkArrival, inWords, median, type Outcome } from './outcome.ts';
import { bareSync, engineAlone, floors, ours } from './ours.ts';
import { type Job, type Peer, peers } from './peers.ts';
import { type CountedRequest, portOf, startRegistry } from './registry.ts';
import { isFactory, type Measurement, type Row } from './rows.ts';
import { createTls, type Tls, trusting } from './tls.ts';
import { type BenchImage, prepare, type Workload, type WorkloadName, workloads } from './workloads.ts';

export interface BenchOptions {
  workloads: readonly WorkloadName[];
  /** Added round trip times to every server, in milliseconds. */
  rtts: readonly number[];
  /** Measurements of each kind. The median counts. */
  repeat: number;
  /** Families of peers; default: all that are on PATH. */
  peers?: readonly string[] | undefined;
  /** Factor on the size of layers, default 1. */
  scale?: number;
  /** Plain HTTP instead of TLS. */
  plain?: boolean;
  /** Leaves out what makes figures comparable: a first run of every program, and the wait for earlier writes. */
  trial?: boolean;
  /** The file of the command; default: the one that is built in this repository, or its sources. */
  command?: string;
  /** The folder of the command's compiled code; default: a new one. */
  cache?: string;
  /** Host name of the registries over TLS; default: the name of this machine, or `registry.test`. */
  host?: string | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: (line: string) => void;
}

export interface BenchResult {
  rows: Row[];
  scheme: Job['scheme'];
  /** Names and versions of the tools measured. */
  legend: string[];
  missing: string[];
}

/** Measures every peer at every workload, side by side. */
export async function bench(options: BenchOptions): Promise<BenchResult> {
  const { repeat, scale = 1, trial, signal, onProgress } = options;
  const folder = await mkdtemp(join(tmpdir(), 'factory-bench-'));
  try {
    const chosen = (family: string) => options.peers?.includes(family) ?? true;
    const own = [ours(options.command, options.cache), engineAlone(folder), bareSync(folder), ...floors(folder)];
    const wanted = [...own, ...peers].filter(({ family }) => chosen(family));
    const present = wanted.filter((peer) => peer.available());
    const tls = options.plain ? undefined : await createTls(join(folder, 'tls'), options.host);
    // First, so that a broken tool fails now and not after an hour.
    const descriptions = await Promise.all(present.map(describe));
    if (!trial) await warmUp({ folder, tls }, present, signal);
    const rows: Row[] = [];
    for (const workload of options.workloads) {
      const { about, memoryOnly, unchanged }: Workload = workloads[workload];
      onProgress?.(`${workload}: ${about}`);
      const store = join(folder, 'source');
      const { images, blobBytes } = await prepare(workloads[workload], store, scale, signal);
      const contenders = present.filter(
        ({ family, forMany, only }) =>
          (!memoryOnly || isFactory(family)) && (!forMany || images.length > 1) && (only?.includes(workload) ?? true),
      );
      for (const rttMs of options.rtts) {
        const runs = contenders.map((peer) => ({ peer, outcomes: [] as Outcome<Measurement>[] }));
        // All peers once, then all again, so that other load on the machine affects each of them.
        for (let round = 1; round <= repeat; round++) {
          for (const { peer, outcomes } of runs) {
            const setting = { folder, tls, store, workload, images, rttMs, peer, trial };
            const outcome = await attempt(() => measureOnce(setting, signal), signal);
            outcomes.push(outcome);
            onProgress?.(`  ${rttMs} ms, round ${round}, ${peer.name}: ${inWords(outcome)}`);
          }
        }
        for (const { peer, outcomes } of runs) {
          const { name, family } = peer;
          const missingBytes = unchanged ? 0 : blobBytes;
          rows.push({ workload, rttMs, peer: name, family, images: images.length, missingBytes, ...median(outcomes) });
        }
      }
      await rm(store, { recursive: true });
    }
    return {
      rows,
      scheme: tls ? 'https' : 'http',
      legend: descriptions.filter((_, i) => rows.some(({ peer }) => peer === present[i]?.name)),
      missing: [...new Set(wanted.filter((peer) => !present.includes(peer)).map(({ family }) => family))],
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs every program once, so that it is in the disk cache, and ours has its code compiled. */
async function warmUp(
  { folder, tls }: Pick<Setting, 'folder' | 'tls'>,
  contenders: readonly Peer[],
  signal?: AbortSignal,
): Promise<void> {
  const store = join(folder, 'source');
  const workload = 'W3';
  const { images } = await prepare(workloads[workload], store, 0.01, signal);
  for (const peer of contenders) {
    if (peer.only?.includes(workload) ?? true)
      await attempt(() => measureOnce({ folder, tls, store, workload, images, rttMs: 0, peer }, signal), signal);
  }
  await rm(store, { recursive: true });
}

interface Setting {
  folder: string;
  /** Absent: plain HTTP. */
  tls: Tls | undefined;
  /** Data of the source registry. */
  store: string;
  workload: WorkloadName;
  images: readonly BenchImage[];
  rttMs: number;
  peer: Peer;
  trial?: boolean | undefined;
}

/** Measures once, with new registries, a new Harness API, a new home and new ports. */
async function measureOnce(setting: Setting, signal?: AbortSignal): Promise<Measurement> {
  const { folder, tls, store, images, peer, rttMs } = setting;
  const { unchanged, memoryOnly }: Workload = workloads[setting.workload];
  const home = join(folder, 'home');
  const data = join(folder, 'target');
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => rm(home, { recursive: true, force: true }));
  cleanup.defer(() => rm(data, { recursive: true, force: true }));
  await mkdir(home);
  // Takes a tenth of the time of the asynchronous `cp`.
  if (unchanged) cpSync(store, data, { recursive: true });
  const source = cleanup.use(await startRegistry(store, tls));
  const target = cleanup.use(await (memoryOnly ? startDigestRegistry(tls) : startRegistry(data, tls)));
  const harness = cleanup.use(await startHarnessApi({ defaults: { ci: { K8: officialImages(images), VM: {} } } }));
  const seen = async (host: string) => (rttMs === 0 ? host : cleanup.use(await startDelayProxy(host, rttMs)).host);
  const named = (host: string) => (tls ? `${tls.name}:${portOf(host)}` : host);
  const job: Job = {
    images,
    home,
    scheme: tls ? 'https' : 'http',
    source: named(await seen(source.host)),
    target: named(await seen(target.host)),
    harness: { url: `http://${await seen(new URL(harness.url).host)}`, apiKey: harness.apiKey },
  };
  const { argv, environment } = await peer.command(job);
  const command = { argv, environment: { ...environment, ...(tls && trusting(tls)) } };
  if (unchanged) {
    await measure(command, home, signal);
    await Promise.all([source.settle(), target.settle()]);
    source.requests.length = 0;
    target.requests.length = 0;
    source.protocols.clear();
    target.protocols.clear();
  }
  // Writes that the contender before left must not slow this one down.
  if (!setting.trial) await promisify(execFile)('sync');
  const usage = await measure(command, home, signal);
  await checkArrival(target, images);
  await Promise.all([source.settle(), target.settle()]);
  return {
    ...usage,
    requests: { source: source.requests.length, target: target.requests.length },
    protocols: [...source.protocols.union(target.protocols)].toSorted(),
    bytesMoved: source.requests.filter(isBlobPull).reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** Returns the images of the workload as Harness's defaults, a field for each. */
function officialImages(images: readonly BenchImage[]): Record<string, string> {
  return Object.fromEntries(images.map(({ repository, tag }, i) => [`image${i}Tag`, `${repository}:${tag}`]));
}

function isBlobPull({ method, target }: CountedRequest): boolean {
  return method === 'GET' && target.includes('/blobs/sha256:');
}

async function describe(peer: Peer): Promise<string> {
  return [`${peer.name}: ${await peer.version()}`, peer.note ?? []].flat().join(', ');
}
