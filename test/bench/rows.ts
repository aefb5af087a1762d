import type { Usage } from './measure.ts';
import type { WorkloadName } from './workloads.ts';

export interface Measurement extends Usage {
  requests: { source: number; target: number };
  /** Blob bytes that the source sent. */
  bytesMoved: number;
  /** Protocols that the client used with the registries, such as `HTTP/1.1`. */
  protocols: readonly string[];
}

/** A line of the table: the measurement of median wall time, or the reason of a failure. */
export interface Row {
  workload: WorkloadName;
  rttMs: number;
  peer: string;
  family: string;
  images: number;
  /** Bytes of the blobs that the target lacks, each counted once. */
  missingBytes: number;
  measurement?: Measurement;
  failure?: string;
}

/** Returns whether a family is the factory: the whole sync, or its engine alone. */
export function isFactory(family: string): boolean {
  return family === 'ours' || family === 'engine';
}

/** Families that measure what bounds the factory. */
const bounds: ReadonlySet<string> = new Set(['bare', 'floor']);

/** Returns the wall time of the fastest peer at the same work, in milliseconds. */
export function bestPeer(rows: readonly Row[], { workload, rttMs }: Row): number | undefined {
  const others = rows.filter(({ family }) => !isFactory(family) && !bounds.has(family));
  const walls = others
    .filter((row) => row.workload === workload && row.rttMs === rttMs)
    .flatMap(({ measurement }) => measurement?.wallMs ?? []);
  return walls.length === 0 ? undefined : Math.min(...walls);
}
