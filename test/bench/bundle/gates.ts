import type { SetName } from './sets.ts';
import { type BundleRow, type Content, isFactory } from './works.ts';

const MiB = 1024 ** 2;
const temporaryMebibytesAtMost = 1;
const peakMebibytesAtMost = 160;
/** Limit of the bytes sent, over those of the blobs, each counted once. */
const bytesSentAtMost = 1.02;
const requestsPerImageAtMost = 2;

/** Limits of the time of the whole command without added round trip time, in seconds. */
const seconds: Readonly<Record<SetName, { export: number; import?: number }>> = {
  A: { export: 3, import: 6 },
  B: { export: 2.5 },
};

export interface GateOptions {
  readonly contents: Readonly<Partial<Record<SetName, Content>>>;
  /** True when limits of time apply: the layers have their full sizes. */
  readonly isFull: boolean;
}

/** Returns a line for each gate that these rows allow to decide. */
export function verdicts(rows: readonly BundleRow[], { contents, isFull }: GateOptions): string[] {
  return rows.flatMap((row) => {
    const content = contents[row.set];
    if (!isFactory(row.family) || !row.measurement || !content) return [];
    const times = isFull ? timesOf(row, rows) : [];
    return [...times, ...sizesOf(row, content), ...resourcesOf(row)];
  });
}

function timesOf(row: BundleRow, rows: readonly BundleRow[]): string[] {
  const { set, work, rttMs, family, measurement } = row;
  if (family !== 'ours' || !measurement || work === 'export-again' || work === 'export-delta') return [];
  const isExport = work.startsWith('export');
  const limit = isExport ? seconds[set].export : seconds[set].import;
  if (rttMs === 0) return limit === undefined ? [] : line(row, 'seconds', measurement.wallMs / 1000, limit, 2);
  const crane = rows.find(
    (other) =>
      other.set === set && other.rttMs === rttMs && other.contender === 'crane' && other.work === 'export-folder',
  );
  if (!isExport || set !== 'A' || !crane?.measurement) return [];
  return line(row, 'time over that of crane to a folder', measurement.wallMs / crane.measurement.wallMs, 1, 2);
}

function sizesOf(row: BundleRow, { images, manifests, blobs, bytes, blobBytes }: Content): string[] {
  const { work, family, measurement } = row;
  if (!measurement) return [];
  const { bytesOut, requests } = measurement;
  switch (work) {
    case 'export-folder':
    case 'export-tar':
      return [
        ...line(row, 'bytes of the bundle', bytesOut, bytes + 1024 * (blobs + manifests) + 64 * 1024, 0),
        ...line(row, 'blobs read', measurement.blobs, blobs, 0),
      ];
    case 'export-again':
      return [
        ...line(row, 'blobs read', measurement.blobs, 0, 0),
        // The library keeps no manifests between runs.
        ...(family === 'ours' ? line(row, 'requests per image', requests / images, requestsPerImageAtMost, 1) : []),
      ];
    case 'export-delta':
      return line(row, 'bytes of the bundle', bytesOut, 4 * 1024 * images + 64 * 1024, 0);
    case 'import-folder':
    case 'import-tar':
      return [
        ...line(row, 'uploads', measurement.blobs, blobs, 0),
        ...line(row, 'bytes sent over unique bytes', bytesOut / blobBytes, bytesSentAtMost, 3),
      ];
  }
}

function resourcesOf(row: BundleRow): string[] {
  const { measurement } = row;
  if (!measurement) return [];
  return [
    ...line(row, 'temporary disk in MiB', measurement.temporaryBytes / MiB, temporaryMebibytesAtMost, 1),
    ...line(row, 'peak RSS in MiB', measurement.peakBytes / MiB, peakMebibytesAtMost, 0),
  ];
}

function line(
  { set, work, rttMs, contender }: BundleRow,
  what: string,
  value: number,
  limit: number,
  digits: number,
): string[] {
  const verdict = value <= limit ? 'holds' : 'FAILS';
  return [`${verdict}: ${set}, ${work}, ${rttMs} ms, ${contender}: ${what} ${value.toFixed(digits)}, at most ${limit}`];
}
