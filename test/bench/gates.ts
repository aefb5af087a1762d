import type { Job } from './peers.ts';
import { bestPeer, isFactory, type Row } from './rows.ts';
import type { WorkloadName } from './workloads.ts';

/** An upper limit of the time of a whole sync, relative to its peers in the same run, over TLS. */
interface Gate {
  workload: WorkloadName;
  rttMs: number;
  /** Our wall time over that of the best peer. */
  atMost: number;
}

const gates: readonly Gate[] = [
  { workload: 'W1', rttMs: 0, atMost: 1.1 },
  { workload: 'W1', rttMs: 20, atMost: 1.15 },
  { workload: 'W2', rttMs: 0, atMost: 0.5 },
  { workload: 'W2', rttMs: 20, atMost: 0.4 },
  { workload: 'W3', rttMs: 0, atMost: 1.3 },
  { workload: 'W3', rttMs: 20, atMost: 0.65 },
];

/**
 * Limits of the requests to both registries, for each image of the workload. The whole sync checks every piece again
 * before it switches Harness, so the limits of copies are those of the engine alone.
 */
const requestsPerImage: readonly { workload: WorkloadName; family?: string; atMost: number }[] = [
  { workload: 'W1', family: 'engine', atMost: 22 },
  { workload: 'W3', family: 'engine', atMost: 95 },
  { workload: 'unchanged', atMost: 2 },
];

/** Limit of the bytes that the source sends, over the bytes of the blobs that the target lacks. */
const bytesAtMost = 1.02;
const peakMebibytesAtMost = 200;
/** Limit of the peak RSS with a layer of 10 GiB, over that with a layer of 100 MiB. */
const growthAtMost = 1.25;

/** Returns a line for each gate that these rows allow to decide. Gates on time hold over TLS only. */
export function verdicts(rows: readonly Row[], scheme: Job['scheme']): string[] {
  return rows
    .filter(({ family }) => isFactory(family))
    .flatMap((row) => [
      ...(scheme === 'https' ? timesOf(row, rows) : []),
      ...requestsOf(row),
      ...bytesOf(row),
      ...memoryOf(row),
      ...growthOf(row, rows),
    ]);
}

function timesOf(row: Row, rows: readonly Row[]): string[] {
  const { workload, family, rttMs, measurement } = row;
  if (family !== 'ours') return [];
  const fitting = gates.filter((gate) => gate.workload === workload && gate.rttMs === rttMs);
  return fitting.flatMap(({ atMost }) => {
    const best = bestPeer(rows, row);
    if (best === undefined || !measurement) return [];
    return line(row, 'time over the best peer', measurement.wallMs / best, atMost, 2);
  });
}

function requestsOf(row: Row): string[] {
  const { workload, family, images, measurement } = row;
  const gate = requestsPerImage.find((each) => each.workload === workload && (each.family ?? family) === family);
  if (!gate || !measurement) return [];
  const { source, target } = measurement.requests;
  return line(row, 'requests per image', (source + target) / images, gate.atMost, 1);
}

function bytesOf(row: Row): string[] {
  if (!row.measurement) return [];
  const { missingBytes, measurement } = row;
  if (missingBytes === 0) return line(row, 'bytes moved', measurement.bytesMoved, 0, 0);
  return line(row, 'bytes moved over unique bytes', measurement.bytesMoved / missingBytes, bytesAtMost, 3);
}

function memoryOf(row: Row): string[] {
  if (!row.measurement) return [];
  return line(row, 'peak RSS in MiB', row.measurement.peakBytes / 1024 / 1024, peakMebibytesAtMost, 0);
}

function growthOf(large: Row, rows: readonly Row[]): string[] {
  if (large.workload !== 'memory-10GiB') return [];
  const small = rows.find(
    ({ workload, family, rttMs }) => workload === 'memory-100MiB' && family === large.family && rttMs === large.rttMs,
  );
  if (!small?.measurement || !large.measurement) return [];
  const growth = large.measurement.peakBytes / small.measurement.peakBytes;
  return line(large, 'peak RSS over that of memory-100MiB', growth, growthAtMost, 2);
}

function line({ workload, rttMs, peer }: Row, what: string, value: number, limit: number, digits: number): string[] {
  const verdict = value <= limit ? 'holds' : 'FAILS';
  return [`${verdict}: ${workload}, ${rttMs} ms, ${peer}: ${what} ${value.toFixed(digits)}, at most ${limit}`];
}
