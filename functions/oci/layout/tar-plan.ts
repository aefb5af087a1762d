import { blockBytes, encodeHeader, paddingOf } from './tar-header.ts';

/** An entry of a tar that is planned to the byte before its content is read. */
export interface PlannedEntry {
  /** `blobs/sha256/<hex>` */
  readonly name: string;
  readonly size: number;
  /** All blocks before the content. */
  readonly header: Buffer;
  /** Offset of the first byte of the header. */
  readonly start: number;
  /** Offset of the first byte of the content. */
  readonly content: number;
  /** Offset after the padding. */
  readonly end: number;
}

export interface PlannedTar {
  readonly entries: readonly PlannedEntry[];
  /** Bytes, with the two blocks of zeros at the end. */
  readonly size: number;
}

/** Bytes after the last entry. */
const trailerBytes = 2 * blockBytes;

/** Places entries one after the other. The same names and sizes always give the same bytes around their contents. */
export function planTar(files: Iterable<{ name: string; size: number }>): PlannedTar {
  const entries: PlannedEntry[] = [];
  let start = 0;
  for (const { name, size } of files) {
    const header = encodeHeader(name, size);
    const content = start + header.length;
    const end = content + size + paddingOf(size);
    entries.push({ name, size, header, start, content, end });
    start = end;
  }
  return { entries, size: start + trailerBytes };
}

/** Returns the index of the entry that has the byte at `offset`; the number of entries for the end of the tar. */
export function entryAt({ entries }: PlannedTar, offset: number): number {
  let [low, high] = [0, entries.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((entries[middle]?.end ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
