import * as z from 'zod';
import { isMismatch } from '../oci/copy/verified-stream.ts';
import type { RangeWriter } from '../oci/layout/ranges.ts';
import { entryAt, type PlannedTar } from '../oci/layout/tar-plan.ts';
import { planBundleTar } from './bundle-files.ts';
import { canonicalJson } from './canonical-json.ts';
import type { Companion, Slice, TarCarrier } from './carrier.ts';
import { bundleDocument, type BundleDocument, encodeDocument } from './document.ts';
import type { BundlePlan } from './plan-bundle.ts';
import { FileSums, sumOf } from './file-sums.ts';
import { runningHash, type RunningHash } from './running-hash.ts';
import { TarStream } from './tar-stream.ts';

const defaultCheckpointBytes = 32 * 1024 * 1024;

/** The files beside a bundle, apart from its sums and `bundle.json`: its signature, its bill of materials. */
type MoreCompanions = ReadonlyMap<Companion, Uint8Array>;

export interface TarWriting {
  /** Returns what else is written beside the bundle, before the data flows. */
  readonly accompany?: (document: BundleDocument) => Promise<MoreCompanions>;
  /** Bytes between two records of the progress: an interruption loses no more. Default: 32 MiB. */
  readonly checkpointBytes?: number;
  readonly onBytes?: (bytes: number) => void;
  readonly onNote?: (message: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface WrittenBundle {
  readonly document: BundleDocument;
  /** Bytes of the tar. */
  readonly size: number;
  /** The byte at which an interrupted export was continued; 0 for a new one. */
  readonly resumedAt: number;
  /** The numbers of the parts that were written again, where nothing else was. */
  readonly parts?: readonly number[];
}

/** The progress of an export, in `NAME.part.json`. */
const journal = z.object({
  version: z.literal(1),
  id: z.string(),
  createdAt: z.string(),
  factory: z.string(),
  files: z.array(z.tuple([z.string(), z.int()])),
  /** Bytes that are written for good. */
  position: z.int().nonnegative(),
  /** sha256 of the files before it. */
  sums: z.array(z.string()),
  /** States of the hashes of the file and of the blob at the position, where the carrier cannot be read back. */
  sum: z.string().optional(),
  blob: z.string().optional(),
});
type Journal = z.infer<typeof journal>;

/**
 * Writes a bundle as one tar, from start to end, and verifies each blob while it is written. An interrupted export goes
 * on where it was, and ends with the same bytes. The bundle gets its name when its last byte is durable.
 *
 * @throws {FactoryError} What the sources throw; `DigestMismatch` when one serves wrong bytes twice.
 */
export async function writeTar(
  plan: BundlePlan,
  carrier: TarCarrier,
  options: TarWriting = {},
): Promise<WrittenBundle> {
  const found = await findJournal(carrier);
  const isSame = found?.id === plan.document.id;
  if (found && !isSame)
    options.onNote?.(`${carrier.name}: the images changed since the export was interrupted; it starts again`);
  const begun = isSame ? found : undefined;
  // Facts that differ between two exports of the same images: keep those of the first, so that its bytes stay valid.
  const { createdAt, factory } = begun ?? plan.document;
  const document = bundleDocument({ ...plan.document, createdAt, factory });
  const tar = planBundleTar(document);
  const files = carrier.slices(tar.size);
  const start: Journal = {
    version: 1,
    id: document.id,
    createdAt,
    factory,
    files: files.map(({ name, end }) => [name, end]),
    position: 0,
    sums: [],
  };
  const isUsable = begun && canonicalJson(begun.files) === canonicalJson(start.files);
  const writing = { ...options, plan, document, tar, files, carrier, start };
  let from = isUsable ? begun : start;
  for (const spent = new Set<number>(); ;) {
    try {
      return { document, size: tar.size, resumedAt: await write(writing, from) };
    } catch (error) {
      const wrong = error instanceof WrongEntry ? error : undefined;
      if (!wrong || spent.has(wrong.index)) throw wrong?.cause ?? error;
      // One wrong transfer is cured by another.
      spent.add(wrong.index);
      from = (await findJournal(carrier)) ?? start;
    }
  }
}

interface Writing extends TarWriting {
  readonly plan: BundlePlan;
  readonly document: BundleDocument;
  readonly tar: PlannedTar;
  readonly files: readonly Slice[];
  readonly carrier: TarCarrier;
  readonly start: Journal;
}

/** The entry at which a source served wrong bytes. Those before it are right. */
class WrongEntry extends Error {
  readonly index: number;

  constructor(index: number, cause: unknown) {
    super('an entry is wrong', { cause });
    this.index = index;
  }
}

/** Writes from the journal's position to the end. Returns the byte at which it began. */
async function write(writing: Writing, journalled: Journal): Promise<number> {
  const { plan, document, tar, files, carrier, checkpointBytes = defaultCheckpointBytes, signal } = writing;
  const companions = (await writing.accompany?.(document)) ?? new Map<Companion, Uint8Array>();
  const writer = await carrier.create(tar.size, journalled.position, signal);
  const from = writer.position;
  const begun = from === journalled.position ? journalled : writing.start;
  // Where the carrier cannot be read back, hashes must be saved.
  const unit = writer.read || !carrier.companions ? undefined : writer.unit;
  const stream = new TarStream(document, plan, tar);
  const sums = new FileSums(files, begun.sums, unit !== undefined);
  const journals = new Journals(carrier, begun);
  let at = from;
  try {
    await sums.resume(from, writer, begun.sum);
    await journals.begin();
    writing.onBytes?.(from);
    const every = unit === undefined ? checkpointBytes : Math.ceil(checkpointBytes / unit) * unit;
    const blob = await begunBlob(stream, from, writer, begun.blob);
    for await (const piece of stream.pieces(from, tar.size, { begun: blob, unit, signal })) {
      for (let rest = piece; rest.length > 0;) {
        const fits = rest.subarray(0, every - (at % every));
        await writer.write(fits, signal);
        await sums.update(fits);
        at += fits.length;
        writing.onBytes?.(fits.length);
        rest = rest.subarray(fits.length);
        if (at < tar.size && at % every === 0)
          await journals.record(writer, { position: at, ...sums.state(), blob: stream.hash?.save?.() });
      }
    }
    await journals.settled();
    await writer.flush();
    // From here on every byte is durable. A bundle of before would not match the files beside it.
    await carrier.removeOld?.();
    // The end is recorded too, where it can be: the names that follow may be interrupted. Files that have theirs then are
    // of this bundle, as the one of before is gone.
    if (unit === undefined) await journals.record(writer, { position: at, ...sums.state() });
    await journals.settled();
    await writeCompanions(writing, companions, sums.all());
    await writer.complete();
    await carrier.companions?.remove('part.json');
    return from;
  } catch (error) {
    // No record may arrive later.
    await journals.settled().catch(() => undefined);
    if (!isMismatch(error)) throw error;
    const index = entryAt(tar, at);
    await rewind(writing, begun, writer, { position: tar.entries[index]?.start ?? 0, sums });
    throw new WrongEntry(index, error);
  } finally {
    await writer.close();
  }
}

/** Moves the journal to the start of an entry whose bytes are wrong, or to the start of the bundle. */
async function rewind(
  { carrier, start }: Writing,
  begun: Journal,
  writer: RangeWriter,
  { position, sums }: { position: number; sums: FileSums },
): Promise<void> {
  const known = await writer.flush();
  const isReadable = writer.read !== undefined && known >= position;
  const next = isReadable ? { ...begun, position, sums: sums.before(position) } : start;
  await carrier.companions?.write('part.json', Buffer.from(canonicalJson(next)));
}

/** Hashes the bytes of a blob that were written earlier; `undefined` when none were, or they must be read again. */
async function begunBlob(
  stream: TarStream,
  from: number,
  writer: RangeWriter,
  saved: string | undefined,
): Promise<RunningHash | undefined> {
  const entry = stream.tar.entries[entryAt(stream.tar, from)];
  const digest = entry && stream.digestOf(entry);
  if (!entry || digest === undefined || from <= entry.content || from >= entry.content + entry.size) return undefined;
  if (!writer.read) return saved === undefined ? undefined : runningHash(digest, { saved });
  const hash = await runningHash(digest);
  for await (const piece of writer.read(entry.content, from)) hash.update(piece);
  return hash;
}

/** Records the progress, beside the writing: one record at a time. */
class Journals {
  readonly #carrier: TarCarrier;
  readonly #begun: Journal;
  #pending: Promise<void> = Promise.resolve();

  constructor(carrier: TarCarrier, begun: Journal) {
    this.#carrier = carrier;
    this.#begun = begun;
  }

  async begin(): Promise<void> {
    await this.#write({});
  }

  /** Makes what is written durable, and records it. Waits for the record before it. */
  async record(writer: RangeWriter, state: Pick<Journal, 'position' | 'sums' | 'sum' | 'blob'>): Promise<void> {
    await this.#pending;
    this.#pending = (async () => {
      if ((await writer.flush()) >= state.position) await this.#write(state);
    })();
    // Reported by the next call.
    this.#pending.catch(() => undefined);
  }

  async settled(): Promise<void> {
    await this.#pending;
  }

  async #write(state: Partial<Journal>): Promise<void> {
    await this.#carrier.companions?.write('part.json', Buffer.from(canonicalJson({ ...this.#begun, ...state })));
  }
}

async function findJournal({ companions }: TarCarrier): Promise<Journal | undefined> {
  const bytes = await companions?.read('part.json');
  if (!bytes) return undefined;
  try {
    // A damaged journal is none: the export starts again.
    return journal.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data;
  } catch {
    return undefined;
  }
}

/** Returns whether an interrupted export wrote all bytes of a tar. Its files may have their names already. */
export async function isWritten(carrier: TarCarrier, size: number): Promise<boolean> {
  return (await findJournal(carrier))?.position === size;
}

/** Writes what lies beside a bundle. `sums` are those of the tar. They come last, with those of the other files. */
export async function writeCompanions(
  { carrier: { companions }, files, document }: Pick<Writing, 'carrier' | 'files' | 'document'>,
  more: MoreCompanions,
  sums: ReadonlyMap<string, string>,
): Promise<void> {
  if (!companions) return;
  const stem = files[0]?.name.replace(/\.tar(?:\.\d+)?$/, '') ?? '';
  const lines = [...sums].map(([name, sum]) => `${sum}  ${name}`);
  for (const [companion, bytes] of [['bundle.json', encodeDocument(document)] as const, ...more]) {
    await companions.write(companion, bytes);
    lines.push(`${sumOf(bytes)}  ${stem}.${companion}`);
  }
  await companions.write('sha256', Buffer.from(`${lines.join('\n')}\n`));
}
