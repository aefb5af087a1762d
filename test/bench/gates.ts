import { bestPeer, type Row } from './rows.ts';
import type { WorkloadName } from './workloads.ts';

/** What the factory is held to, in one run on one machine. */
interface Gate {
  workload: WorkloadName;
  /** Absent: at every round trip time. */
  rttMs?: number;
  /** Ours over the best of them, by wall time. */
  atMost: number;
  /** Families; absent: all. */
  among?: readonly string[];
}

const gates: readonly Gate[] = [
  { workload: 'W1', atMost: 1.3 },
  { workload: 'W2', rttMs: 0, atMost: 0.5, among: ['crane', 'regsync', 'oras'] },
  { workload: 'W2', rttMs: 0, atMost: 0.8, among: ['skopeo'] },
  { workload: 'W2', rttMs: 20, atMost: 0.5 },
  { workload: 'W3', rttMs: 20, atMost: 1 },
  { workload: 'W4', atMost: 1.15 },
  { workload: 'unchanged', rttMs: 20, atMost: 1.5 },
];

/**
 * Both registries together, for each image of the workload. A copy is the engine's; the whole sync then looks at every
 * piece once more before it switches Harness.
 */
const requestsPerImage: readonly { workload: WorkloadName; family?: string; atMost: number }[] = [
  { workload: 'W1', family: 'engine', atMost: 22 },
  { workload: 'W3', family: 'engine', atMost: 95 },
  { workload: 'unchanged', atMost: 2 },
];

/** A line for each gate that these rows can tell about. */
export function verdicts(rows: readonly Row[]): string[] {
  return rows
    .filter(({ family }) => family === 'ours' || family === 'engine')
    .flatMap((row) => [...timesOf(row, rows), ...requestsOf(row)]);
}

function timesOf(row: Row, rows: readonly Row[]): string[] {
  const { workload, rttMs, measurement } = row;
  const fitting = gates.filter((gate) => gate.workload === workload && (gate.rttMs ?? rttMs) === rttMs);
  return fitting.flatMap(({ atMost, among }) => {
    const best = bestPeer(rows, row, among);
    if (best === undefined || !measurement) return [];
    return line(row, `time over the best of ${among?.join(', ') ?? 'all'}`, measurement.wallMs / best, atMost, 2);
  });
}

function requestsOf(row: Row): string[] {
  const { workload, family, images, measurement } = row;
  const gate = requestsPerImage.find((each) => each.workload === workload && (each.family ?? family) === family);
  if (!gate || !measurement) return [];
  const { source, target } = measurement.requests;
  return line(row, 'requests per image', (source + target) / images, gate.atMost, 1);
}

function line({ workload, rttMs, peer }: Row, what: string, value: number, limit: number, digits: number): string[] {
  const verdict = value <= limit ? 'holds' : 'FAILS';
  return [`${verdict}: ${workload}, ${rttMs} ms, ${peer}: ${what} ${value.toFixed(digits)}, at most ${limit}`];
}
