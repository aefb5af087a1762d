import { blockBytes, headerBytes, paddingOf } from './tar-header.ts';

/** An entry of a tar that is planned to the byte before its content is read. */
export interface PlannedEntry {
  /** `blobs/sha256/<hex>` */
  readonly name: string;
  readonly size: number;
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
    const content = start + headerBytes(name);
    const end = content + size + paddingOf(size);
    entries.push({ name, size, start, content, end });
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
