import { createHash } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  type CompletedPart,
  HeadObjectCommand,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { FactoryError } from '../errors.ts';
import type { RangeWriter } from '../oci/layout/ranges.ts';
import type { BucketObject } from './bucket-object.ts';
import { abortUploads, findUpload, startUpload, type Upload } from './object-uploads.ts';

const MiB = 1024 * 1024;
/** S3 accepts 10,000 parts: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const mostParts = 9_000;

/** Returns the bytes of each part but the last, of an object of `size` bytes. The same for the same size, to resume. */
export function partBytes(size: number): number {
  return Math.max(16, Math.ceil(size / mostParts / MiB)) * MiB;
}

/** Writes an object of a known size from start to end, by a multipart upload. Holds two parts in memory. */
export class ObjectWriter implements RangeWriter {
  readonly unit: number;
  readonly #object: BucketObject;
  readonly #size: number;
  readonly #uploadId: string;
  /** The parts that S3 has, in their order. */
  readonly #parts: CompletedPart[];
  readonly #closed = new AbortController();
  /** The part that is being filled. */
  #buffer: Buffer;
  #filled = 0;
  /** Bytes in the parts before it. */
  #before: number;
  /** The part that is being sent. */
  #sending: Promise<Buffer | undefined> = Promise.resolve(undefined);

  private constructor(object: BucketObject, size: number, upload: Upload) {
    this.unit = partBytes(size);
    this.#object = object;
    this.#size = size;
    this.#uploadId = upload.id;
    this.#parts = [...upload.parts];
    this.#before = upload.parts.length * this.unit;
    this.#buffer = this.#allocate();
  }

  /**
   * Opens an object of `size` bytes for writing, at `position`, which an earlier writer's `flush` returned. Where S3 lacks
   * a part before it, the writer begins at 0.
   *
   * @throws {FactoryError} `StoreFailed`, also for an object that exists.
   */
  static async open(object: BucketObject, size: number, position: number, signal?: AbortSignal): Promise<ObjectWriter> {
    const unit = partBytes(size);
    try {
      if (await object.exists(signal)) throw alreadyThere(object);
      const found =
        position > 0 ? await findUpload(object, { partBytes: unit, parts: position / unit }, signal) : undefined;
      if (found) return new ObjectWriter(object, size, found);
      await abortUploads(object, signal);
      return new ObjectWriter(object, size, { id: await startUpload(object, signal), parts: [] });
    } catch (error) {
      signal?.throwIfAborted();
      throw await object.failure('write', error);
    }
  }

  get position(): number {
    return this.#before + this.#filled;
  }

  async write(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + this.unit - this.#filled);
      this.#buffer.set(piece, this.#filled);
      this.#filled += piece.length;
      at += piece.length;
      if (this.#filled === this.unit) await this.#send(signal);
    }
  }

  /** Parts that are not full are not sent. */
  async flush(): Promise<number> {
    await this.#sending;
    // A later part may be on its way already.
    return Math.min(this.#parts.length * this.unit, this.#size);
  }

  /** Never replaces an object: the condition fails, and the upload is removed. */
  async complete(): Promise<void> {
    if (this.#filled > 0) await this.#send(undefined);
    await this.#sending;
    const command = new CompleteMultipartUploadCommand({
      ...this.#object.place,
      UploadId: this.#uploadId,
      MultipartUpload: { Parts: this.#parts },
      MpuObjectSize: this.#size,
      IfNoneMatch: '*',
    });
    try {
      await this.#object.client.send(command);
    } catch (error) {
      // A response that was lost: the request was repeated after it had succeeded.
      if (await this.#isComplete().catch(() => false)) return;
      if (!isTaken(error)) throw await this.#object.failure('complete', error);
      await abortUploads(this.#object).catch(() => undefined);
      throw alreadyThere(this.#object, error);
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#sending.catch(() => undefined);
  }

  /** Begins to send the part that was filled, when the part before it has arrived. */
  async #send(signal: AbortSignal | undefined): Promise<void> {
    const spare = await this.#sending;
    const part = this.#buffer.subarray(0, this.#filled);
    this.#sending = this.#upload(part, signal);
    // Reported by the next call.
    this.#sending.catch(() => undefined);
    this.#before += this.#filled;
    this.#filled = 0;
    this.#buffer = spare ?? this.#allocate();
  }

  /** Sends a part. Returns its buffer, to be filled again. */
  async #upload(bytes: Buffer, signal: AbortSignal | undefined): Promise<Buffer> {
    const PartNumber = this.#parts.length + 1;
    const ChecksumSHA256 = createHash('sha256').update(bytes).digest('base64');
    const part = { ...this.#object.place, UploadId: this.#uploadId, PartNumber, ChecksumSHA256 };
    const abortSignal = AbortSignal.any([this.#closed.signal, ...(signal ? [signal] : [])]);
    try {
      const { ETag } = await this.#object.client.send(new UploadPartCommand({ ...part, Body: bytes }), { abortSignal });
      this.#parts.push({ PartNumber, ETag, ChecksumSHA256 });
      return bytes;
    } catch (error) {
      signal?.throwIfAborted();
      throw await this.#object.failure('write', error);
    }
  }

  /** Tests whether the object consists of the parts that were sent, by the checksum of their checksums. */
  async #isComplete(): Promise<boolean> {
    const command = new HeadObjectCommand({ ...this.#object.place, ChecksumMode: 'ENABLED' });
    const { ContentLength, ChecksumSHA256 } = await this.#object.client.send(command);
    const checksum = createHash('sha256');
    for (const part of this.#parts) checksum.update(Buffer.from(part.ChecksumSHA256 ?? '', 'base64'));
    return ContentLength === this.#size && ChecksumSHA256 === `${checksum.digest('base64')}-${this.#parts.length}`;
  }

  #allocate(): Buffer {
    return Buffer.allocUnsafeSlow(Math.min(this.unit, this.#size));
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof S3ServiceException && taken.has(error.name);
}

/** Another writer completed the object, or is completing it. */
const taken = new Set(['PreconditionFailed', 'ConditionalRequestConflict']);

function alreadyThere({ name }: BucketObject, cause?: unknown): FactoryError {
  return new FactoryError('StoreFailed', `${name} exists, and a bundle never replaces another`, {
    hint: 'Choose another key, or delete the object.',
    cause,
  });
}
