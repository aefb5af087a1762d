import { createHash } from 'node:crypto';
import type { RangeWriter } from '../oci/layout/ranges.ts';
import type { Companions, Slice } from './carrier.ts';
import { runningHash, type RunningHash } from './running-hash.ts';

/** Returns the sha256 of a small file, as `sha256sum` prints it. */
export function sumOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Reads the lines of `NAME.sha256`; `undefined` when there is none. */
export async function readSums(
  companions: Pick<Companions, 'read'> | undefined,
): Promise<Map<string, string> | undefined> {
  const bytes = await companions?.read('sha256');
  if (!bytes) return undefined;
  const lines = Buffer.from(bytes).toString().split('\n');
  return new Map(
    lines.flatMap((line) => {
      const [, sum, name] = /^([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? [];
      return sum === undefined || name === undefined ? [] : [[name, sum] as const];
    }),
  );
}

/** The sums of the files that a tar is cut into. */
export class FileSums {
  readonly #files: readonly Slice[];
  readonly #done: string[];
  readonly #resumable: boolean;
  #at = 0;
  #hash: RunningHash | undefined;

  constructor(files: readonly Slice[], done: readonly string[], resumable: boolean) {
    this.#files = files;
    this.#done = [...done];
    this.#resumable = resumable;
  }

  /** Begins at a position: from a saved state, or from the bytes of the file that were written before it. */
  async resume(position: number, writer: Pick<RangeWriter, 'read'>, saved: string | undefined): Promise<void> {
    this.#done.splice(this.#files.filter(({ end }) => end <= position).length);
    const file = this.#files[this.#done.length];
    this.#at = position;
    this.#hash = await runningHash(undefined, { resumable: this.#resumable, saved });
    if (!file || position === file.start || saved !== undefined) return;
    for await (const piece of writer.read?.(file.start, position) ?? []) this.#hash.update(piece);
  }

  async update(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0;) {
      const end = this.#files[this.#done.length]?.end ?? Infinity;
      const fits = rest.subarray(0, end - this.#at);
      this.#hash?.update(fits);
      this.#at += fits.length;
      rest = rest.subarray(fits.length);
      if (this.#at < end) continue;
      this.#done.push(this.#hash?.digest().split(':')[1] ?? '');
      this.#hash = await runningHash(undefined, { resumable: this.#resumable });
    }
  }

  state(): { sums: string[]; sum: string | undefined } {
    return { sums: [...this.#done], sum: this.#hash?.save?.() };
  }

  /** Returns the sums of the files that end before a position. */
  before(position: number): string[] {
    return this.#done.slice(0, this.#files.filter(({ end }) => end <= position).length);
  }

  /** Returns the sums of all files, by their names. */
  all(): Map<string, string> {
    return new Map(this.#files.map(({ name }, index) => [name, this.#done[index] ?? '']));
  }
}
