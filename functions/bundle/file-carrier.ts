import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FactoryError } from '../errors.ts';
import { openFile } from '../oci/layout/file-reader.ts';
import { joinRanges, type RangeReader, readRange } from '../oci/layout/ranges.ts';
import { type Companions, namesake, type Slice, type TarCarrier, type TarSource } from './carrier.ts';
import { FileWriter, replaceFile, unfinished, writeFailure } from './file-writer.ts';

const partNumber = /^\.(\d{3,})$/;

/** Writes a bundle to `PATH.tar`, or to its parts `PATH.tar.001`, `PATH.tar.002`, … of `partBytes` bytes. */
export function fileCarrier(path: string, { partBytes }: { partBytes?: number | undefined } = {}): TarCarrier {
  const [folder, name] = [dirname(path), basename(path)];
  const slices = (size: number) =>
    partBytes === undefined ? [{ name, start: 0, end: size }] : cut(name, size, partBytes);
  const companions = fileCompanions(path);
  return {
    name: path,
    companions,
    slices,
    async create(size, position) {
      const files = slices(size);
      await refuseNamesake(path);
      await makeFolder(folder);
      const names = new Set(files.map((slice) => slice.name));
      const stale = (await filesOf(path)).filter((file) =>
        position === 0 ? file !== name || partBytes !== undefined : !names.has(file),
      );
      if (stale.length > 0) throw staleFiles(folder, stale);
      return FileWriter.open(folder, files, position);
    },
    async removeOld() {
      // Parts are never replaced: `create` refuses to write beside them.
      if (partBytes === undefined) await rm(path, { force: true });
      await companions.remove('sig');
    },
    async createPart(slice) {
      await makeFolder(folder);
      return FileWriter.ofPart(folder, slice);
    },
  };
}

/** Opens a bundle in one tar, or joins its parts. */
export async function fileSource(path: string): Promise<TarSource> {
  const files = await filesOf(path);
  const [folder, name] = [dirname(path), basename(path)];
  const parts = files.filter((file) => file !== name);
  if (files.includes(name) && parts.length > 0) throw staleFiles(folder, files);
  return { companions: fileCompanions(path), reader: await open(folder, name, parts) };
}

async function open(folder: string, name: string, parts: readonly string[]): Promise<RangeReader> {
  const path = join(folder, name);
  const missing = parts.findIndex((part, index) => Number(partNumber.exec(part.slice(name.length))?.[1]) !== index + 1);
  if (missing !== -1) {
    throw new FactoryError('BundleInvalid', `${path}: part ${missing + 1} is missing`, {
      hint: `Carry that part again, or make it again outside: factory export --plan NAME.bundle.json --parts ${missing + 1} --to NAME.tar.`,
    });
  }
  const names = parts.length > 0 ? parts : [name];
  const readers = await Promise.all(names.map((part) => openFile(join(folder, part)))).catch((error: Error) => {
    if (Object(error.cause).code !== 'ENOENT') throw error;
    throw new FactoryError('BundleInvalid', `there is no bundle ${path}`, {
      hint: 'Check the path. A bundle in parts is named without the number: NAME.tar.',
      cause: error,
    });
  });
  return readers.length === 1 && readers[0] ? readers[0] : joinRanges(path, readers);
}

/**
 * Returns the size of the parts of a tar of `size` bytes, as those that are there tell it; `undefined` where they do not.
 * The file of sums knows how many there were.
 */
export async function findPartBytes(path: string, size: number, count?: number): Promise<number | undefined> {
  const name = basename(path);
  const parts = (await filesOf(path)).filter((file) => file !== name);
  const votes = new Map<number, number>();
  for (const part of parts) {
    const isLast = Number(partNumber.exec(part.slice(name.length))?.[1]) === count;
    const found = (await stat(join(dirname(path), part))).size;
    // The last part has what the others leave.
    const bytes = isLast && count !== 1 && count !== undefined ? (size - found) / (count - 1) : found;
    const fits = Number.isInteger(bytes) && bytes > 0 && (count === undefined || Math.ceil(size / bytes) === count);
    if (fits) votes.set(bytes, (votes.get(bytes) ?? 0) + 1);
  }
  // A part that was cut off is outvoted. Without the number of parts, any of them may be the last, shorter one.
  if (count === undefined) return parts.length > 1 && votes.size > 0 ? Math.max(...votes.keys()) : undefined;
  return [...votes].toSorted(([, a], [, b]) => b - a)[0]?.[0];
}

function cut(name: string, size: number, partBytes: number): Slice[] {
  const count = Math.ceil(size / partBytes);
  const digits = Math.max(3, String(count).length);
  return Array.from({ length: count }, (_, index) => ({
    name: `${name}.${String(index + 1).padStart(digits, '0')}`,
    start: index * partBytes,
    end: Math.min(size, (index + 1) * partBytes),
  }));
}

/** Lists the tar and its parts, in order, without what is unfinished. */
async function filesOf(path: string): Promise<string[]> {
  const name = basename(path);
  const all = await readdir(dirname(path)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw writeFailure(dirname(path), error);
  });
  return all
    .filter((file) => file === name || (file.startsWith(`${name}.`) && partNumber.test(file.slice(name.length))))
    .toSorted();
}

function staleFiles(folder: string, files: readonly string[]): FactoryError {
  const shown = files.slice(0, 8).map((file) => join(folder, file));
  const more = files.length > shown.length ? ` and ${files.length - shown.length} more` : '';
  return new FactoryError('BundleInvalid', `the folder has files of another bundle: ${shown.join(', ')}${more}`, {
    hint: 'Delete or move them: parts of two bundles would be joined.',
  });
}

/**
 * Refuses a tar `PATH.tar` where the folder `PATH` holds a bundle, and the other way round: the small files beside both
 * have the same names. Throws `InvalidInput`.
 */
export async function refuseNamesake(path: string): Promise<void> {
  const place = join(dirname(path), basename(path));
  const stem = place.replace(/\.tar$/, '');
  const tars = stem === place ? (await filesOf(`${place}.tar`)).map((file) => join(dirname(path), file)) : [];
  const isFolder = stem !== place && (await stat(join(stem, 'bundle.json')).catch(() => undefined)) !== undefined;
  const [other] = isFolder ? [stem] : tars;
  if (other !== undefined) throw namesake(place, other, stem);
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw writeFailure(folder, error);
  }
}

/** Returns the small files beside `PATH.tar`, or beside the folder `PATH`. */
export function fileCompanions(path: string): Companions {
  const stem = join(dirname(path), basename(path)).replace(/\.tar$/, '');
  const pathOf = (companion: string) => `${stem}.${companion}`;
  return {
    async read(companion) {
      const path = pathOf(companion);
      if (!(await stat(path).catch(() => undefined))) return undefined;
      const file = await openFile(path);
      try {
        if (file.size <= companionLimit) return await readRange(file, 0, file.size);
        throw new FactoryError('BundleInvalid', `${path} is larger than ${companionLimit} bytes`, {
          hint: 'Carry the bundle again: it was damaged or altered on the way.',
        });
      } finally {
        await file.close();
      }
    },
    async write(companion, bytes) {
      await mkdir(dirname(path), { recursive: true });
      await replaceFile(pathOf(companion), bytes);
    },
    async remove(companion) {
      await rm(pathOf(companion), { force: true });
      await rm(pathOf(companion) + unfinished, { force: true });
    },
  };
}

/** Bytes of the largest file beside a bundle: its document. */
const companionLimit = 32 * 1024 * 1024;
