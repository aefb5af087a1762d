import { FactoryError } from '../../errors.ts';

/** The files of an image layout, by their paths in it: in a folder or in a tar. */
export interface LayoutFiles {
  /** The folder or the tar, as errors name it. */
  readonly name: string;
  /** Set for a disk of this machine, from which bytes need not be read ahead. */
  readonly isLocal?: boolean | undefined;
  /** Names the place of a file in errors, with the part that holds it. */
  placeOf(path: string): string;
  /** Returns the size of a file; `undefined` when there is no such file. */
  size(path: string): Promise<number | undefined>;
  /** Reads a file from byte `start` to its end. */
  read(path: string, start: number, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined>;
  close(): Promise<void>;
}

/** Returns the error for a layout that is damaged, cut off or hostile. */
export function layoutInvalid(place: string, what: string, cause?: unknown): FactoryError {
  return new FactoryError('BundleInvalid', `${place}: ${what}`, {
    hint: 'Carry it again: it was damaged or altered on the way, or was not complete.',
    cause,
  });
}

export function isLayoutInvalid(error: unknown): error is FactoryError {
  return error instanceof FactoryError && error.name === 'BundleInvalid';
}

/** Returns the error for a file that the file system does not give. */
export function unreadable(place: string, cause: NodeJS.ErrnoException): FactoryError {
  const isDenied = cause.code === 'EACCES' || cause.code === 'EPERM';
  const what = isDenied ? 'this user may not read it' : 'it cannot be read';
  return new FactoryError('BundleInvalid', `${place}: ${what} (${cause.code})`, {
    hint: isDenied
      ? 'Let this user read it.'
      : 'Check the disk or the medium. If it is damaged, use another copy of the file.',
    cause,
  });
}

/** Reads a small file into memory. Throws `BundleInvalid` when it is missing or larger than `limit` bytes. */
export async function readSmall(
  files: LayoutFiles,
  path: string,
  limit: number,
  signal?: AbortSignal,
): Promise<Buffer> {
  const size = await files.size(path);
  if (size === undefined) throw layoutInvalid(files.placeOf(path), 'it is missing');
  if (size > limit) throw layoutInvalid(files.placeOf(path), `it has ${size} bytes; at most ${limit} are accepted`);
  const pieces: Uint8Array[] = [];
  for await (const piece of files.read(path, 0, signal)) pieces.push(piece);
  return Buffer.concat(pieces);
}
