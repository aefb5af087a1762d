import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FactoryError } from '../errors.ts';
import { openFile } from '../oci/layout/file-reader.ts';
import { joinRanges, type RangeWriter } from '../oci/layout/ranges.ts';
import type { Slice } from './carrier.ts';

const bufferBytes = 1024 * 1024;

/** Ends the name of a file that is not complete. */
export const unfinished = '.partial';

/** Writes a tar into a file, or into parts. They get their names when the last byte is durable. */
export class FileWriter implements RangeWriter {
  readonly unit = 1;
  readonly #folder: string;
  readonly #files: readonly Slice[];
  /** The file that is being written. */
  #open: { file: FileHandle; slice: Slice } | undefined;
  #buffer = Buffer.allocUnsafeSlow(bufferBytes);
  #spare = Buffer.allocUnsafeSlow(bufferBytes);
  #filled = 0;
  /** Bytes handed to the file system. */
  #sent: number;
  #sending: Promise<void> = Promise.resolve();
  /** Ends when the buffer was handed over: `flush` may run beside `write`. */
  #turn: Promise<void> = Promise.resolve();

  private constructor(folder: string, files: readonly Slice[], position: number) {
    this.#folder = folder;
    this.#files = files;
    this.#sent = position;
  }

  /** Opens at `position`, or at 0 where bytes before it are missing. */
  static async open(folder: string, files: readonly Slice[], position: number): Promise<FileWriter> {
    const isThere = position > 0 && (await hasAll(folder, files, position));
    if (!isThere) await removeUnfinished(folder, files);
    return new FileWriter(folder, files, isThere ? position : 0);
  }

  /** Opens one part, to be written alone. */
  static ofPart(folder: string, slice: Slice): FileWriter {
    return new FileWriter(folder, [slice], slice.start);
  }

  get position(): number {
    return this.#sent + this.#filled;
  }

  async write(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    for (let rest = bytes; rest.length > 0;) {
      const fits = rest.subarray(0, bufferBytes - this.#filled);
      this.#buffer.set(fits, this.#filled);
      this.#filled += fits.length;
      rest = rest.subarray(fits.length);
      if (this.#filled === bufferBytes) await this.#send();
    }
  }

  async flush(): Promise<number> {
    await this.#send();
    const durable = this.#sent;
    await this.#sending;
    // Files before this one were synced when it was opened. A handle of its own stays open while others are closed.
    const slice = this.#files.find(({ start, end }) => start < durable && durable <= end);
    if (slice) await this.#attempt(() => syncFile(join(this.#folder, slice.name + unfinished)));
    return durable;
  }

  read(start: number, end: number, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const files = this.#files.filter((slice) => slice.start < end);
    return this.#read(files, start, end, signal);
  }

  async *#read(files: readonly Slice[], start: number, end: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const readers = await Promise.all(files.map(({ name }) => openFile(join(this.#folder, name + unfinished))));
    const all = joinRanges(this.#folder, readers);
    try {
      yield* all.read(start, end, signal);
    } finally {
      await all.close();
    }
  }

  async complete(): Promise<void> {
    await this.flush();
    await this.close();
    await this.#attempt(async () => {
      for (const { name } of this.#files) await rename(join(this.#folder, name + unfinished), join(this.#folder, name));
      await syncFolder(this.#folder);
    });
  }

  async close(): Promise<void> {
    await this.#turn.catch(() => undefined);
    await this.#sending.catch(() => undefined);
    await this.#open?.file.close();
    this.#open = undefined;
  }

  /** Hands the buffer to the file system, when that has taken the one before it. */
  #send(): Promise<void> {
    return (this.#turn = this.#turn.then(() => this.#handOver()));
  }

  async #handOver(): Promise<void> {
    await this.#sending;
    if (this.#filled === 0) return;
    const bytes = this.#buffer.subarray(0, this.#filled);
    const at = this.#sent;
    [this.#buffer, this.#spare] = [this.#spare, this.#buffer];
    this.#sent += this.#filled;
    this.#filled = 0;
    this.#sending = this.#attempt(() => this.#store(bytes, at));
    // Reported by the next call.
    this.#sending.catch(() => undefined);
  }

  async #store(bytes: Buffer, start: number): Promise<void> {
    for (let at = start; at < start + bytes.length;) {
      const { file, slice } = await this.#fileAt(at);
      const piece = bytes.subarray(at - start, Math.min(bytes.length, slice.end - start));
      const { bytesWritten } = await file.write(piece, 0, piece.length, at - slice.start);
      at += bytesWritten;
    }
  }

  async #fileAt(at: number): Promise<{ file: FileHandle; slice: Slice }> {
    if (this.#open && at < this.#open.slice.end && at >= this.#open.slice.start) return this.#open;
    const before = this.#open?.file;
    this.#open = undefined;
    await before?.datasync();
    await before?.close();
    const slice = this.#files.find(({ end }) => at < end);
    if (!slice) throw new RangeError(`byte ${at} is beyond the end of the bundle`);
    const path = join(this.#folder, slice.name + unfinished);
    const file = await open(path, at === slice.start ? 'w+' : 'r+');
    this.#open = { file, slice };
    await file.truncate(at - slice.start);
    return this.#open;
  }

  async #attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw writeFailure(this.#folder, error);
    }
  }
}

/** Returns the error for a bundle that cannot be written, with what helps against a full disk or a small file system. */
export function writeFailure(place: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) return error;
  const hints: Readonly<Record<string, string>> = {
    EFBIG: 'The file system holds no file of this size: write parts with --part-size 4000MB.',
    ENOSPC: 'Free some space, or write to another disk, and run the same command: it keeps what was written.',
  };
  const hint =
    hints[code] ?? 'Check the folder and its permissions, and run the same command: it keeps what was written.';
  return new FactoryError('StoreFailed', `cannot write the bundle to ${place}: ${code}`, { hint, cause: error });
}

/**
 * Returns whether all bytes before a position are there. At the end, files that have their names already are taken back.
 * Before it, such a file is of another bundle.
 */
async function hasAll(folder: string, files: readonly Slice[], position: number): Promise<boolean> {
  const isEnd = position === files.at(-1)?.end;
  for (const { name, start, end } of files.filter((slice) => slice.start < position)) {
    const path = join(folder, name);
    const size = await sizeOf(path + unfinished);
    if (size === undefined && isEnd && (await sizeOf(path)) === end - start) await rename(path, path + unfinished);
    else if (size === undefined || size < Math.min(end, position) - start) return false;
  }
  return true;
}

/** Returns what an export of a tar left unfinished, perhaps in parts of another size. */
export async function unfinishedFiles(folder: string, tar: string): Promise<string[]> {
  const files = await readdir(folder).catch(() => []);
  return files
    .filter((file) => file.startsWith(`${tar}.`) && /^(?:\.\d{3,})?\.partial$/.test(file.slice(tar.length)))
    .map((file) => join(folder, file));
}

async function removeUnfinished(folder: string, [first]: readonly Slice[]): Promise<void> {
  const tar = (first?.name ?? '').replace(/\.\d{3,}$/, '');
  await Promise.all((await unfinishedFiles(folder, tar)).map((path) => rm(path, { force: true })));
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.size;
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** Makes new names durable. */
async function syncFolder(folder: string): Promise<void> {
  // Windows opens no folders.
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** Replaces a file in one step, durably. */
export async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  try {
    const file = await open(path + unfinished, 'w');
    try {
      await file.writeFile(bytes);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(path + unfinished, path);
  } catch (error) {
    throw writeFailure(dirname(path), error);
  }
}
