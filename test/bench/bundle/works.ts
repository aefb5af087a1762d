import type { LayoutPlace } from '../../bundle/layout-tools.ts';
import type { Command, Usage } from '../measure.ts';
import type { BenchImage } from '../workloads.ts';
import type { SetName } from './sets.ts';

/** The kinds of work that are measured, as the legend describes them. */
export const works = {
  'export-folder': 'export to a folder',
  'export-again': 'the same export to the folder again',
  'export-tar': 'export to a tar',
  'export-delta': 'export to a tar, with that tar as the base',
  'import-folder': 'import from a folder',
  'import-tar': 'import from a tar',
} as const;

export type Work = keyof typeof works;

/** A contender's task: write these images of a registry into a bundle, or copy them from a bundle to a registry. */
export interface BundleJob {
  readonly work: Work;
  readonly images: readonly BenchImage[];
  readonly scheme: 'http' | 'https';
  /** `host:port`, as the contender sees it. */
  readonly registry: string;
  readonly bundle: LayoutPlace;
  /** The document of an earlier bundle, for a delta. */
  readonly base?: string;
  /** A new folder for configuration and caches. */
  readonly home: string;
  /** A folder for temporary files. */
  readonly temporary: string;
}

export interface Contender {
  readonly name: string;
  readonly family: string;
  /** Printed below the table. */
  readonly note?: string;
  readonly works: readonly Work[];
  available(): boolean;
  version(): Promise<string>;
  command(job: BundleJob): Promise<Command>;
}

export interface BundleMeasurement extends Usage {
  /** Peak of the bytes written outside of the bundle. */
  readonly temporaryBytes: number;
  /** Bytes of the bundle, or of the blobs sent to the registry. */
  readonly bytesOut: number;
  /** Blobs read from the registry, or uploaded to it. */
  readonly blobs: number;
  readonly requests: number;
}

/** A line of the table: the measurement of median wall time, or the reason of a failure. */
export interface BundleRow {
  readonly set: SetName;
  readonly work: Work;
  readonly rttMs: number;
  readonly contender: string;
  readonly family: string;
  readonly measurement?: BundleMeasurement;
  readonly failure?: string;
}

/** The content of a set, each manifest and blob counted once. */
export interface Content {
  readonly images: number;
  readonly manifests: number;
  readonly blobs: number;
  /** Bytes of blobs and manifests. */
  readonly bytes: number;
  readonly blobBytes: number;
}

/** Returns whether a family is the factory: the whole command, or its library alone. */
export function isFactory(family: string): boolean {
  return family === 'ours' || family === 'engine';
}

function isPeer(family: string): boolean {
  return !isFactory(family) && family !== 'floor';
}

/** Returns the wall time of the fastest peer at the same work, in milliseconds. */
export function bestPeer(rows: readonly BundleRow[], { set, work, rttMs }: BundleRow): number | undefined {
  const walls = rows
    .filter((row) => row.set === set && row.work === work && row.rttMs === rttMs && isPeer(row.family))
    .flatMap(({ measurement }) => measurement?.wallMs ?? []);
  return walls.length === 0 ? undefined : Math.min(...walls);
}
