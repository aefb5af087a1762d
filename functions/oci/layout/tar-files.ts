import { release } from '../../http/release.ts';
import { type LayoutFiles, layoutInvalid } from './layout-files.ts';
import { partAt, type RangeReader, readRange } from './ranges.ts';
import { blockBytes, decodeHeader, decodePax, encodeHeader, paddingOf, type TarHeader } from './tar-header.ts';
import type { PlannedTar } from './tar-plan.ts';

/** Bounds on what a tar may hold, so that a hostile one cannot exhaust memory. */
const limits = { entries: 500_000, nameBytes: 64 * 1024 };

interface Place {
  readonly start: number;
  readonly size: number;
}

/**
 * Returns the files of a layout in a tar that anybody made. Reads its headers only. Other files are ignored, as the
 * specification demands; links, devices and paths that lead out of the layout are refused.
 */
export async function tarFiles(reader: RangeReader, signal?: AbortSignal): Promise<LayoutFiles> {
  const places = new Map<string, Place>();
  let at = 0;
  let name: string | undefined;
  let size: number | undefined;
  for (;;) {
    const header = await headerAt(reader, at, signal);
    if (!header) break;
    const content = at + blockBytes;
    const length = size ?? header.size;
    if (content + length > reader.size) throw cutOff(reader, name ?? header.name, content + length);
    at = content + length + paddingOf(length);
    if (header.type === 'pax' || header.type === 'gnu-name') {
      if (header.size > limits.nameBytes) throw layoutInvalid(placeAt(reader, content), 'it has a name without end');
      const extension = await readRange(reader, content, content + header.size, signal);
      if (header.type === 'gnu-name') name = extension.toString().replace(/\0.*$/s, '');
      else ({ path: name = name, size } = attempt(reader, content, () => decodePax(extension)));
      continue;
    }
    const path = pathOf(reader, name ?? header.name, content);
    if (header.type === 'other')
      throw layoutInvalid(
        `${placeAt(reader, content)}, ${path}`,
        `it is neither a file nor a folder (type ${header.flag})`,
      );
    if (header.type === 'file') {
      if (places.has(path)) throw layoutInvalid(`${placeAt(reader, content)}, ${path}`, 'it is there twice');
      if (places.size === limits.entries)
        throw layoutInvalid(reader.name, `it has more than ${limits.entries} entries`);
      places.set(path, { start: content, size: length });
    }
    [name, size] = [undefined, undefined];
  }
  return {
    name: reader.name,
    isLocal: reader.isLocal,
    placeOf: (path) => `${placeAt(reader, places.get(path)?.start ?? 0)}, ${path}`,
    size: async (path) => places.get(path)?.size,
    async *read(path, start, each) {
      const place = places.get(path);
      if (place) yield* reader.read(place.start + start, place.start + place.size, each);
    },
    close: () => reader.close(),
  };
}

/**
 * Returns the files of a tar that was planned to the byte. The bytes around a content are compared with the plan when it
 * is read from its start.
 */
export function plannedFiles(reader: RangeReader, tar: PlannedTar): LayoutFiles {
  const entries = new Map(tar.entries.map((entry) => [entry.name, entry]));
  const placeOf = (path: string) => `${placeAt(reader, entries.get(path)?.start ?? 0)}, ${path}`;
  return {
    name: reader.name,
    isLocal: reader.isLocal,
    placeOf,
    size: async (path) => entries.get(path)?.size,
    async *read(path, start, signal) {
      const entry = entries.get(path);
      if (!entry) return;
      if (start > 0) return yield* reader.read(entry.content + start, entry.content + entry.size, signal);
      let at = entry.start;
      for await (const piece of reader.read(entry.start, entry.end, signal)) {
        const content = checkAround(entry, at, piece);
        if (!content) throw layoutInvalid(placeOf(path), `it is not the planned entry at byte ${entry.start}`);
        at += piece.length;
        if (content.length > 0) yield ownBuffer(content, piece);
      }
      if (at < entry.end) throw cutOff(reader, path, entry.end);
    },
    close: () => reader.close(),
  };
}

/** Returns the content of a piece in a buffer of its own, so that its reader can release it. */
function ownBuffer(content: Uint8Array, piece: Uint8Array): Uint8Array {
  if (content.length === piece.length) return piece;
  const own = Buffer.from(content);
  release(piece);
  return own;
}

/**
 * Compares the bytes of a piece that belong to the header and the padding of an entry with the plan. Returns those that
 * belong to the content; `undefined` when another differs.
 */
export function checkAround(
  { name, start, content, size }: PlannedTar['entries'][number],
  at: number,
  piece: Uint8Array,
): Uint8Array | undefined {
  const [from, to] = [at - start, at - start + piece.length];
  const inHeader = Math.min(Math.max(content - at, 0), piece.length);
  if (inHeader > 0) {
    const header = encodeHeader(name, size).subarray(from, from + inHeader);
    if (!header.equals(piece.subarray(0, inHeader))) return undefined;
  }
  const padding = Math.max(content - start + size - from, 0);
  if (to - from > padding && !piece.subarray(padding).every((byte) => byte === 0)) return undefined;
  return piece.subarray(inHeader, Math.max(inHeader, padding));
}

async function headerAt(reader: RangeReader, at: number, signal?: AbortSignal): Promise<TarHeader | undefined> {
  const header = await readRange(reader, at, at + blockBytes, signal);
  // Some tools end an archive without its blocks of zeros.
  if (header.length === 0 && at > 0) return undefined;
  if (header.length < blockBytes) throw cutOff(reader, 'the next header', at + blockBytes);
  return attempt(reader, at, () => decodeHeader(header));
}

function attempt<T>(reader: RangeReader, at: number, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw layoutInvalid(placeAt(reader, at), cause instanceof RangeError ? cause.message : 'it cannot be read', cause);
  }
}

/** Returns the path within the layout. */
function pathOf(reader: RangeReader, name: string, at: number): string {
  const path = name.replace(/^(?:\.\/)+/, '').replace(/\/+$/, '');
  if (path.startsWith('/') || /\\|\0/.test(path) || path.split('/').includes('..'))
    throw layoutInvalid(placeAt(reader, at), `it has a name that leads out of the layout: ${path}`);
  return path;
}

/** Names the part of a reader that has the byte at `offset`, and the byte. */
export function placeAt(reader: RangeReader, offset: number): string {
  return `${partAt(reader, offset)}, byte ${offset}`;
}

export function cutOff(reader: RangeReader, entry: string, end: number): Error {
  const place = partAt(reader, reader.size);
  return layoutInvalid(place, `it is cut off within ${entry}: it ends at byte ${reader.size}, ${end} are needed`);
}
