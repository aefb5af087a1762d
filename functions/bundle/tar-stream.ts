import { awaitedLater } from '../async/awaited-later.ts';
import { linkedAbort } from '../async/linked-abort.ts';
import { release } from '../http/release.ts';
import { mismatch, verifiedStream } from '../oci/copy/verified-stream.ts';
import { blobPath } from '../oci/layout/layout.ts';
import { encodeHeader, paddingOf } from '../oci/layout/tar-header.ts';
import { entryAt, type PlannedEntry, type PlannedTar } from '../oci/layout/tar-plan.ts';
import type { Digest } from '../oci/spec/digest.ts';
import type { Descriptor } from '../oci/spec/manifest.ts';
import { bundleFiles } from './bundle-files.ts';
import type { BundleDocument } from './document.ts';
import type { BundlePlan, Origin } from './plan-bundle.ts';
import { readFrom } from './read-from.ts';
import { runningHash, type RunningHash } from './running-hash.ts';

/** Blobs up to this size are held in memory, so that many can be read at once. In bytes. */
const smallBlob = 8 * 1024 * 1024;
/** Bounds of what is read ahead. */
const ahead = { bytes: 12 * 1024 * 1024, requests: 16 };

interface Continuation {
  readonly begun: RunningHash | undefined;
  readonly unit: number | undefined;
  readonly signal: AbortSignal;
}

/** Makes the bytes of a planned tar from any offset. Each blob is read once, and verified before its last bytes count. */
export class TarStream {
  readonly tar: PlannedTar;
  readonly #memory = new Map<string, Uint8Array>();
  readonly #origins = new Map<string, Origin>();
  /** The hash of the blob whose bytes are being made; absent while none is. */
  hash: RunningHash | undefined;

  constructor(document: BundleDocument, { manifests, blobs }: BundlePlan, tar: PlannedTar) {
    this.tar = tar;
    for (const [name, bytes] of bundleFiles(document)) this.#memory.set(name, bytes);
    for (const [digest, { bytes }] of manifests) this.#memory.set(blobPath(digest), bytes);
    for (const [digest, origin] of blobs) this.#origins.set(blobPath(digest), origin);
  }

  /** Returns the digest of the blob of an entry; `undefined` for what is made in memory. */
  digestOf({ name }: PlannedEntry): Digest | undefined {
    return this.#origins.get(name)?.blob.digest;
  }

  /**
   * Yields the bytes from `from` to `to`. A blob that begins before `from` continues with `begun`, the hash over its first
   * bytes, or is read again from its start. With `unit`, hashes can be saved after each multiple of so many bytes.
   *
   * @throws {FactoryError} `DigestMismatch`; then the bytes of the last entry are wrong.
   */
  async *pieces(
    from: number,
    to: number,
    {
      begun,
      unit,
      signal,
    }: { begun?: RunningHash | undefined; unit?: number | undefined; signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    using over = linkedAbort(signal);
    const first = entryAt(this.tar, from);
    const entries = this.tar.entries.slice(first).filter(({ start }) => start < to);
    // A blob that was begun continues where it was: it is not read ahead.
    const small = entries.filter(
      ({ name, size, content }) => this.#origins.has(name) && size <= smallBlob && content >= from,
    );
    const queue = new ReadAhead(small, (entry) => this.#whole(entry, over.signal));
    try {
      let at = from;
      for (const entry of entries) {
        for await (const piece of this.#entry(entry, at, queue, {
          begun: at > entry.content ? begun : undefined,
          unit,
          signal: over.signal,
        })) {
          // The rest of a blob is read for its digest alone.
          if (at < to) yield piece.subarray(0, to - at);
          at += piece.length;
        }
      }
      if (at < to) yield new Uint8Array(to - at);
    } finally {
      over.abort();
    }
  }

  async *#entry(
    entry: PlannedEntry,
    at: number,
    queue: ReadAhead,
    options: Continuation,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { name, start, content, size, end } = entry;
    if (at < content) yield encodeHeader(name, size).subarray(at - start);
    const skip = Math.max(0, at - content);
    if (skip < size || size === 0) {
      const bytes = this.#memory.get(name);
      if (bytes) yield bytes.subarray(skip);
      else if (queue.has(entry)) yield* queue.take(entry);
      else yield* this.#large(entry, skip, options);
    }
    const padding = Math.min(paddingOf(size), end - Math.max(at, content + size));
    if (padding > 0) yield new Uint8Array(padding);
  }

  /** Streams a large blob from byte `skip`. Withholds the last piece until the digest is verified. */
  async *#large(
    { name, content }: PlannedEntry,
    skip: number,
    { begun, unit, signal }: Continuation,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { blob, sources } = this.#origin(name);
    const hash = begun ?? (await runningHash(blob.digest, { resumable: unit !== undefined }));
    let at = begun ? skip : 0;
    let held: Uint8Array | undefined;
    let seen = at;
    const body = readFrom(sources, blob, at, signal);
    for await (const piece of unit === undefined ? body : cutAtMultiples(body, content + at, unit)) {
      seen += piece.length;
      if (seen > blob.size) throw mismatch(blob, `more than the ${blob.size} bytes announced`);
      if (held) {
        at += held.length;
        hash.update(held);
        this.hash = hash;
        if (at > skip) yield held.subarray(Math.max(0, held.length - (at - skip)));
        // The writer has copied it.
        if (unit === undefined) release(held);
      }
      held = piece;
    }
    this.hash = undefined;
    if (held) hash.update(held);
    verify(blob, seen, hash);
    if (held) yield held.subarray(Math.max(0, held.length - (seen - skip)));
  }

  /** Reads a small blob into memory, and verifies it. */
  async #whole({ name }: PlannedEntry, signal: AbortSignal): Promise<Uint8Array[]> {
    const { blob, sources } = this.#origin(name);
    const pieces: Uint8Array[] = [];
    for await (const piece of verifiedStream(readFrom(sources, blob, 0, signal), blob)) pieces.push(piece);
    return pieces;
  }

  #origin(name: string): Origin {
    const origin = this.#origins.get(name);
    if (!origin) throw new TypeError(`the plan has no source of ${name}`);
    return origin;
  }
}

/** Cuts pieces so that none spans a multiple of `unit`. The first begins at `offset`. */
async function* cutAtMultiples(
  body: AsyncIterable<Uint8Array>,
  offset: number,
  unit: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let at = offset;
  for await (const piece of body) {
    for (let rest = piece; rest.length > 0;) {
      const fits = rest.subarray(0, unit - (at % unit));
      yield fits;
      at += fits.length;
      rest = rest.subarray(fits.length);
    }
  }
}

function verify(blob: Descriptor, size: number, hash: RunningHash): void {
  if (size !== blob.size) throw mismatch(blob, `${size} of ${blob.size} bytes`);
  const digest = hash.digest();
  if (digest !== blob.digest) throw mismatch(blob, `bytes of ${digest}`);
}

/** Reads the contents of entries in their order, many at once, within the bounds of `ahead`. */
class ReadAhead {
  readonly #entries: readonly PlannedEntry[];
  readonly #read: (entry: PlannedEntry) => Promise<Uint8Array[]>;
  readonly #reading = new Map<PlannedEntry, Promise<Uint8Array[]>>();
  readonly #all: ReadonlySet<PlannedEntry>;
  #next = 0;
  #bytes = 0;

  constructor(entries: readonly PlannedEntry[], read: (entry: PlannedEntry) => Promise<Uint8Array[]>) {
    this.#entries = entries;
    this.#all = new Set(entries);
    this.#read = read;
    this.#fill();
  }

  has(entry: PlannedEntry): boolean {
    return this.#all.has(entry);
  }

  async *take(entry: PlannedEntry): AsyncGenerator<Uint8Array, void, undefined> {
    for (const piece of (await this.#reading.get(entry)) ?? []) {
      yield piece;
      release(piece);
    }
    this.#reading.delete(entry);
    this.#bytes -= entry.size;
    this.#fill();
  }

  #fill(): void {
    for (let entry = this.#entries[this.#next]; entry; entry = this.#entries[this.#next]) {
      if (this.#reading.size === ahead.requests || this.#bytes + entry.size > ahead.bytes) return;
      this.#next++;
      this.#bytes += entry.size;
      this.#reading.set(entry, awaitedLater(this.#read(entry)));
    }
  }
}
