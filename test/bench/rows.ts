import type { Usage } from './measure.ts';
import type { WorkloadName } from './workloads.ts';

export interface Measurement extends Usage {
  requests: { source: number; target: number };
  /** Of blobs, as the source sent them. */
  bytesMoved: number;
}

/** One line of the table: the measurement of median wall time, or why one of them failed. */
export interface Row {
  workload: WorkloadName;
  rttMs: number;
  peer: string;
  family: string;
  images: number;
  measurement?: Measurement;
  failure?: string;
}

const own = new Set(['ours', 'engine', 'floor']);

/** The fastest of the others (of some families) at the same work, by wall time in milliseconds. */
export function bestPeer(
  rows: readonly Row[],
  { workload, rttMs }: Row,
  among?: readonly string[],
): number | undefined {
  const others = rows.filter(({ family }) => among?.includes(family) ?? !own.has(family));
  const walls = others
    .filter((row) => row.workload === workload && row.rttMs === rttMs)
    .flatMap(({ measurement }) => measurement?.wallMs ?? []);
  return walls.length === 0 ? undefined : Math.min(...walls);
}
