import { FactoryError } from '../errors.ts';
import { release } from '../http/release.ts';
import { blobPath } from '../oci/layout/layout.ts';
import { isLayoutInvalid } from '../oci/layout/layout-files.ts';
import { partAt, type RangeReader } from '../oci/layout/ranges.ts';
import { checkAround } from '../oci/layout/tar-files.ts';
import { entryAt, type PlannedTar } from '../oci/layout/tar-plan.ts';
import { finishDigest, hasher } from '../oci/spec/digest.ts';
import type { Companion, Companions, Slice } from './carrier.ts';
import type { BundleDocument } from './document.ts';
import { FileSums, readSums, sumOf } from './file-sums.ts';
import { type Bundle, type BundlePlace, openBundle } from './open-bundle.ts';
import { type RunningHash, runningHash } from './running-hash.ts';

/** A piece of a bundle that is not as it was written. */
interface Damage {
  /** The file: the tar, a part, or the folder. */
  readonly part: string;
  /** The file within the bundle; absent for the part as a whole. */
  readonly entry?: string;
  readonly digest?: string;
  readonly reason: string;
}

export interface Verification {
  /** Absent where not even the document can be read. */
  readonly document?: BundleDocument;
  /** The bytes of `bundle.json`, for the signature. */
  readonly documentBytes?: Buffer;
  readonly damages: readonly Damage[];
}

/** The progress of a verification that was interrupted. */
export interface VerifyProgress {
  /** The version of the data. Of another one, all is read again. */
  readonly dataVersion?: string | undefined;
  /** Bytes that were read. */
  readonly position: number;
  /** sha256 of the files before it. */
  readonly sums: readonly string[];
  /** States of the hashes of the file and of the blob at the position. */
  readonly sum?: string | undefined;
  readonly blob?: string | undefined;
  readonly damages: readonly Damage[];
}

export interface VerifyOptions {
  /** The files beside the bundle, whose sums are compared where they are there. */
  readonly companions?: Pick<Companions, 'read'>;
  /** Checks the signature. Called before the blobs are read. */
  readonly onOpen?: (bundle: Bundle) => Promise<void>;
  /** Makes the reading of a tar resumable, which is slower: begins at `from`, and gives its progress to `keep` when it fails. */
  readonly resumption?: {
    readonly from: VerifyProgress | undefined;
    readonly keep: (progress: VerifyProgress) => void;
  };
  readonly onBytes?: (bytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a whole bundle once, and names all that is damaged. Needs no registry. Closes the place.
 *
 * @throws {FactoryError} `InvalidInput` when a newer release made the bundle, and what `onOpen` throws.
 */
export async function verifyBundle(place: BundlePlace, options: VerifyOptions = {}): Promise<Verification> {
  let bundle: Bundle;
  try {
    bundle = await openBundle(place, options.signal);
  } catch (error) {
    if (!(error instanceof FactoryError) || error.name === 'InvalidInput') throw error;
    return { damages: [{ part: 'folder' in place ? place.folder : place.reader.name, reason: error.message }] };
  }
  try {
    await options.onOpen?.(bundle);
    const { document, documentBytes, tar } = bundle;
    const beside = new Map<Companion, Damage>();
    const all = { ...options, ...(options.companions && { companions: recorded(options.companions, bundle, beside) }) };
    const damages = tar ? await verifyTar(tar, document, all) : await verifyFiles(bundle, all);
    damages.push(...(await verifyCompanions(bundle, all)), ...beside.values());
    return { document, ...(documentBytes && { documentBytes }), damages };
  } finally {
    await bundle.close();
  }
}

async function verifyTar(
  { reader, plan }: { reader: RangeReader; plan: PlannedTar },
  document: BundleDocument,
  { companions, onBytes, signal, resumption }: VerifyOptions,
): Promise<Damage[]> {
  const { version: dataVersion } = reader;
  const from = resumption?.from?.dataVersion === dataVersion ? resumption?.from : undefined;
  const damages = [...(from?.damages ?? [])];
  const digests = new Map(document.blobs.map(([digest]) => [blobPath(digest), digest]));
  const resumable = resumption !== undefined;
  const sums = new FileSums(slicesOf(reader), from?.sums ?? [], resumable);
  await sums.resume(from?.position ?? 0, {}, from?.sum);
  let at = from?.position ?? 0;
  let hash: RunningHash | undefined;
  const read = async (end: number, check: (piece: Uint8Array) => void) => {
    for await (const piece of reader.read(at, end, signal)) {
      check(piece);
      at += piece.length;
      await sums.update(piece);
      onBytes?.(piece.length);
      release(piece);
    }
  };
  /** Goes on after what cannot be read: the sum of its file is wrong then. */
  const skip = async (end: number) => {
    for (const zeros = Buffer.alloc(skippedBytes); at < end;) {
      const piece = zeros.subarray(0, end - at);
      at += piece.length;
      await sums.update(piece);
      onBytes?.(piece.length);
    }
  };
  try {
    for (const entry of plan.entries.slice(entryAt(plan, at))) {
      const digest = digests.get(entry.name);
      const blob = (hash = await runningHash(digest, {
        resumable,
        saved: at > entry.start ? from?.blob : undefined,
      }));
      const damage = (reason: string) => {
        // One reason for each entry.
        if (damages.every((known) => known.entry !== entry.name))
          damages.push({ part: partAt(reader, entry.start), entry: entry.name, ...(digest && { digest }), reason });
      };
      await recording(damage, () =>
        read(entry.end, (piece) => {
          const content = checkAround(entry, at, piece);
          if (content) blob.update(content);
          else damage(`it is not the planned entry at byte ${entry.start}`);
        }),
      );
      await skip(entry.end);
      hash = undefined;
      if (digest !== undefined && blob.digest() !== digest) damage('its bytes have another digest');
    }
    const end = plan.entries.at(-1)?.end ?? 0;
    const damage = (reason: string) => {
      if (damages.every(({ entry }) => entry !== undefined)) damages.push({ part: partAt(reader, end), reason });
    };
    await recording(damage, () =>
      read(plan.size, (piece) => {
        if (piece.some((byte) => byte !== 0)) damage('the tar does not end with zeros');
      }),
    );
    await skip(plan.size);
  } catch (error) {
    resumption?.keep({ dataVersion, position: at, ...sums.state(), blob: hash?.save?.(), damages });
    throw error;
  }
  const expected = await readSums(companions);
  for (const [index, [name, sum]] of [...sums.all()].entries()) {
    const stated = expected?.get(name);
    if (expected && stated !== sum)
      damages.push({
        part: reader.parts?.[index]?.name ?? reader.name,
        reason:
          stated === undefined ? 'the file of sums does not list it' : 'its sum is not the one in the file of sums',
      });
  }
  return damages;
}

const skippedBytes = 128 * 1024;

/** Does some reading. What is damaged, or cannot be read, is recorded. */
async function recording(damage: (reason: string) => unknown, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isLayoutInvalid(error)) throw error;
    damage(error.message);
  }
}

/** Reads the files beside a bundle. One that cannot be read is recorded in `damages`, and is as if it were not there. */
function recorded(
  { read }: Pick<Companions, 'read'>,
  { files }: Bundle,
  damages: Map<Companion, Damage>,
): Pick<Companions, 'read'> {
  return {
    async read(companion) {
      let bytes: Uint8Array | undefined;
      const damage = (reason: string) => damages.set(companion, { part: `${files.name} (.${companion})`, reason });
      await recording(damage, async () => void (bytes = await read(companion)));
      return bytes;
    },
  };
}

/** Returns the files of a reader, as the file of sums names them. */
function slicesOf(reader: RangeReader): Slice[] {
  let start = 0;
  return (reader.parts ?? [reader]).map(({ name, size }) => {
    const slice = {
      name: name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1),
      start,
      end: start + size,
    };
    start += size;
    return slice;
  });
}

async function verifyFiles({ document, files }: Bundle, { onBytes, signal }: VerifyOptions): Promise<Damage[]> {
  const damages: Damage[] = [];
  for (const [digest, size] of document.blobs) {
    const entry = blobPath(digest);
    const damage = (reason: string) => void damages.push({ part: files.name, entry, digest, reason });
    await recording(damage, async () => {
      const found = await files.size(entry);
      if (found !== size) return damage(found === undefined ? 'it is missing' : `it has ${found} of ${size} bytes`);
      const hash = hasher(digest);
      for await (const piece of files.read(entry, 0, signal)) {
        hash.update(piece);
        onBytes?.(piece.length);
        release(piece);
      }
      if (finishDigest(hash, digest) !== digest) damage('its bytes have another digest');
    });
  }
  return damages;
}

/** Compares the small files beside a bundle with their sums, and the copy of the document with the document. */
async function verifyCompanions({ documentBytes, files }: Bundle, { companions }: VerifyOptions): Promise<Damage[]> {
  const damages: Damage[] = [];
  const sums = await readSums(companions);
  for (const companion of ['bundle.json', 'sig', 'sbom.cdx.json'] as const satisfies readonly Companion[]) {
    const bytes = await companions?.read(companion);
    const [, sum] = [...(sums ?? [])].find(([name]) => name.endsWith(`.${companion}`)) ?? [];
    const damage = (reason: string) => damages.push({ part: `${files.name} (.${companion})`, reason });
    if (bytes && sum !== undefined && sumOf(bytes) !== sum) damage('its sum is not the one in the file of sums');
    else if (bytes && companion === 'bundle.json' && documentBytes && !documentBytes.equals(bytes))
      damage('it is not the bundle.json of this bundle');
  }
  return damages;
}
