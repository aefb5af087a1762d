/** Bytes that can be read from any offset: a file, its parts in order, or an object in S3. */
export interface RangeReader {
  /** Named in errors. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Differs after any change of the data; absent where that is not known. */
  readonly version?: string | undefined;
  /** The parts that were joined, in their order; absent where there are none. */
  readonly parts?: readonly Pick<RangeReader, 'name' | 'size'>[];
  /** Set for a disk of this machine, from which bytes need not be read ahead. */
  readonly isLocal?: boolean | undefined;
  /** Reads from `start` to `end`, which is exclusive. Yields fewer bytes only when the end of the data was cut off. */
  read(start: number, end: number, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** Bytes that are written once, from start to end. An interrupted writer continues at `position`. */
export interface RangeWriter {
  /** Bytes written so far. */
  readonly position: number;
  /** `flush` makes whole multiples of this many bytes durable: 1 for a file, the part size of an upload. */
  readonly unit: number;
  /** Does not keep `bytes` after it has returned. */
  write(bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Makes what was written durable. Returns up to which byte: a new writer can continue there. */
  flush(): Promise<number>;
  /** Reads back what was written; absent where that is impossible, as for an upload that is not complete. */
  read?(start: number, end: number, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** Makes everything durable, and gives it its final name. */
  complete(): Promise<void>;
  /** Ends without completing. A new writer can continue at what was flushed. */
  close(): Promise<void>;
}

/** Joins ranges in their order: the parts of one file. */
export function joinRanges(name: string, parts: readonly RangeReader[]): RangeReader {
  const starts: number[] = [];
  let size = 0;
  for (const part of parts) {
    starts.push(size);
    size += part.size;
  }
  return {
    name,
    size,
    parts,
    isLocal: parts.every(({ isLocal }) => isLocal),
    async *read(start, end, signal) {
      for (const [index, part] of parts.entries()) {
        const from = starts[index] ?? 0;
        if (start < from + part.size && end > from)
          yield* part.read(Math.max(0, start - from), Math.min(part.size, end - from), signal);
      }
    },
    close: async () => void (await Promise.all(parts.map((part) => part.close()))),
  };
}

/** Names the part of a reader that has the byte at `offset`. */
export function partAt({ name, parts = [] }: Pick<RangeReader, 'name' | 'parts'>, offset: number): string {
  let end = 0;
  return parts.find(({ size }) => offset < (end += size))?.name ?? parts.at(-1)?.name ?? name;
}

/** Reads a range into memory. Returns fewer bytes when the data ends before `end`. */
export async function readRange(
  reader: RangeReader,
  start: number,
  end: number,
  signal?: AbortSignal,
): Promise<Buffer<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  for await (const piece of reader.read(start, Math.min(end, reader.size), signal)) pieces.push(piece);
  return Buffer.concat(pieces);
}
