import type { Digest } from '../spec/digest.ts';
import type { Image } from '../spec/image.ts';
import type { Repository } from '../registry/repository.ts';

/**
 * The remaining work of an image's copy, for another process to resume. It is a hint: every entry is checked before
 * use. A checkpoint that is damaged, too old or of another copy is ignored. Contains no credentials.
 */
export interface Checkpoint {
  version: 1;
  /** Milliseconds since the epoch. */
  writtenAt: number;
  /** Digest of the image's root. */
  image: string;
  /** `host/repository` */
  destination: string;
  /** Uploaded blobs: one bit each, in the order of their digests, as base64. */
  uploaded: string;
  /** Blobs that the destination already had or mounted; in the same form. */
  skipped: string;
  /** Uploads in progress, by the blob's index in that order. */
  open: [number, OpenUpload][];
  /** Number of transfers of a blob that timed out and were lost, by the same index. */
  interrupted: [number, number][];
}

/** A blob that is being uploaded in parts, as of the last part that the destination acknowledged. */
export interface OpenUpload {
  /** An upload session of the OCI API, or an upload of the registry's own API (`LayerUploads`). */
  kind: 'session' | 'layer';
  /**
   * The session's path with its query, or the upload's id. Never a host: the upload always belongs to the destination.
   */
  at: string;
  partBytes: number;
  /** Acknowledged bytes: more than 0, and fewer than all. */
  offset: number;
  /** State of the hash over them: see `ResumableHash`. */
  hash: string;
}

/** Maximum age of a checkpoint, in milliseconds: registries expire uploads. */
const lifetimeMs = 12 * 3_600_000;
/** Limits on `OpenUpload.at` and on the uploads: a checkpoint stays below 64 KiB for 20,000 blobs. */
export const longestAt = 2_048;
const mostOpen = 16;
/** Plausible sizes of a part, in bytes. */
const partSizes = { least: 64 * 1024, most: 64 * 1024 * 1024 };

export class CopyRecord {
  readonly uploaded = new Set<Digest>();
  readonly skipped = new Set<Digest>();
  readonly open = new Map<Digest, OpenUpload>();
  readonly interrupted = new Map<Digest, number>();
  readonly #image: Image;
  readonly #destination: string;
  readonly #order: readonly Digest[];

  constructor(image: Image, { registry, name }: Repository) {
    this.#image = image;
    this.#destination = `${registry.name}/${name}`;
    this.#order = image.blobs.map(({ digest }) => digest).toSorted();
  }

  /** Restores a checkpoint of the same copy. Starts from the beginning when it does not apply. */
  static restore(checkpoint: unknown, image: Image, destination: Repository, now: number): CopyRecord {
    const record = new CopyRecord(image, destination);
    return record.#read(checkpoint, now) ? record : new CopyRecord(image, destination);
  }

  finished(digest: Digest): boolean {
    return this.uploaded.has(digest) || this.skipped.has(digest);
  }

  get complete(): boolean {
    return this.uploaded.size + this.skipped.size === this.#order.length;
  }

  finish(digest: Digest, how: 'uploaded' | 'skipped'): void {
    this[how].add(digest);
    this.open.delete(digest);
    this.interrupted.delete(digest);
  }

  /** Drops an upload, and subtracts its acknowledged bytes. */
  forget(digest: Digest, onBytes?: (bytes: number) => void): void {
    const { offset = 0 } = this.open.get(digest) ?? {};
    this.open.delete(digest);
    if (offset > 0) onBytes?.(-offset);
  }

  /** Returns the bytes of finished blobs, plus the acknowledged bytes of the others. */
  totals(): { bytesTransferred: number; bytesSkipped: number } {
    let [bytesTransferred, bytesSkipped] = [0, 0];
    for (const { digest, size } of this.#image.blobs) {
      if (this.skipped.has(digest)) bytesSkipped += size;
      else bytesTransferred += this.uploaded.has(digest) ? size : (this.open.get(digest)?.offset ?? 0);
    }
    return { bytesTransferred, bytesSkipped };
  }

  write(now: number): Checkpoint {
    const indexed = <T>(map: ReadonlyMap<Digest, T>) =>
      [...map].slice(0, mostOpen).map(([digest, value]): [number, T] => [this.#order.indexOf(digest), value]);
    return {
      version: 1,
      writtenAt: now,
      image: this.#image.root.digest,
      destination: this.#destination,
      uploaded: this.#bits(this.uploaded),
      skipped: this.#bits(this.skipped),
      open: indexed(this.open),
      interrupted: indexed(this.interrupted),
    };
  }

  /** Reads a checkpoint. Returns whether it belongs to this copy, is complete and recent. */
  #read(value: unknown, now: number): boolean {
    if (!isObject(value)) return false;
    const { version, writtenAt, image, destination, uploaded, skipped, open, interrupted } = value;
    const ours = version === 1 && image === this.#image.root.digest && destination === this.#destination;
    // Allow for small differences between clocks.
    const fresh = isWhole(writtenAt) && Math.abs(now - writtenAt) <= lifetimeMs;
    if (!ours || !fresh || !Array.isArray(open) || !Array.isArray(interrupted)) return false;
    return (
      this.#readBits(uploaded, this.uploaded) &&
      this.#readBits(skipped, this.skipped) &&
      [...this.uploaded].every((digest) => !this.skipped.has(digest)) &&
      open.length <= mostOpen &&
      open.every((entry) => this.#readOpen(entry)) &&
      interrupted.every((entry) => this.#readInterrupted(entry))
    );
  }

  #readOpen(entry: unknown): boolean {
    const [index, upload] = pair(entry);
    const digest = this.#unfinished(index);
    const size = this.#image.blobs.find((blob) => blob.digest === digest)?.size ?? 0;
    if (!digest || !isObject(upload)) return false;
    const { kind, at, partBytes, offset, hash } = upload;
    if (kind !== 'session' && kind !== 'layer') return false;
    if (typeof at !== 'string' || at.length > longestAt || typeof hash !== 'string' || hash.length > 512) return false;
    if (!isWhole(partBytes) || partBytes < partSizes.least || partBytes > partSizes.most) return false;
    if (!isWhole(offset) || offset === 0 || offset >= size) return false;
    this.open.set(digest, { kind, at, partBytes, offset, hash });
    return true;
  }

  #readInterrupted(entry: unknown): boolean {
    const [index, times] = pair(entry);
    const digest = this.#unfinished(index);
    if (!digest || !isWhole(times)) return false;
    this.interrupted.set(digest, times);
    return true;
  }

  #unfinished(index: unknown): Digest | undefined {
    const digest = isWhole(index) ? this.#order[index] : undefined;
    return digest !== undefined && !this.finished(digest) ? digest : undefined;
  }

  #bits(digests: ReadonlySet<Digest>): string {
    const bytes = Buffer.alloc(Math.ceil(this.#order.length / 8));
    this.#order.forEach((digest, i) => {
      if (digests.has(digest)) bytes[i >> 3] = (bytes[i >> 3] ?? 0) | (1 << (i & 7));
    });
    return bytes.toString('base64');
  }

  #readBits(text: unknown, digests: Set<Digest>): boolean {
    const bytes = typeof text === 'string' ? Buffer.from(text, 'base64') : Buffer.alloc(0);
    if (bytes.length !== Math.ceil(this.#order.length / 8)) return false;
    this.#order.forEach((digest, i) => {
      if ((bytes[i >> 3] ?? 0) & (1 << (i & 7))) digests.add(digest);
    });
    return true;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function pair(value: unknown): unknown[] {
  return Array.isArray(value) && value.length === 2 ? (value as unknown[]) : [];
}
