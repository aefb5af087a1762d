import { addAbortSignal, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { S3ServiceException } from '@aws-sdk/client-s3';
import { FactoryError } from '../errors.ts';
import type { RangeReader } from '../oci/layout/ranges.ts';
import type { BucketObject } from './bucket-object.ts';

/** Failures in a row, without a byte between them, after which a read ends. */
const maxFailures = 5;

/** The bytes at the start of an object that are kept: in a bundle, the document and the manifests of some 80 images. */
const headLimit = 1024 * 1024;

/** Reads ranges of an object. Fails when the object is replaced meanwhile. */
export class ObjectReader implements RangeReader {
  readonly name: string;
  readonly size: number;
  /** The ETag. */
  readonly version: string | undefined;
  readonly #object: BucketObject;
  readonly #head: Uint8Array;
  readonly #pauseMs: number;

  private constructor(
    object: BucketObject,
    { size, etag, head, pauseMs }: { size: number; etag: string | undefined; head: Uint8Array; pauseMs: number },
  ) {
    this.name = object.name;
    this.size = size;
    this.version = etag;
    this.#object = object;
    this.#head = head;
    this.#pauseMs = pauseMs;
  }

  /**
   * Opens an object that must exist. Requests its first bytes, because a HEAD response has no reason for a refusal, and
   * keeps them: a bundle is opened by many small reads there. `pauseMs` is the pause after a failure, which grows.
   *
   * @throws {FactoryError} `StoreFailed`.
   */
  static async open(
    object: BucketObject,
    { pauseMs = 500, headBytes = headLimit } = {},
    signal?: AbortSignal,
  ): Promise<ObjectReader> {
    const found = await object.get({ start: 0, end: headBytes }, signal).catch(async (error: unknown) => {
      signal?.throwIfAborted();
      if (isNamed(error, 'InvalidRange')) throw unusable(`${object.name} is empty`);
      throw await object.failure('read', error);
    });
    if (!found) throw unusable(`${object.name} does not exist`);
    const { Body, ContentRange = '', ETag: etag } = found;
    const [, size] = /^bytes 0-\d+\/(\d+)$/.exec(ContentRange) ?? [];
    if (size === undefined) {
      await Body?.transformToWebStream().cancel();
      throw unusable(`the server of ${object.name} ignores ranges`);
    }
    // Where the connection breaks, they are read again.
    const head = (await Body?.transformToByteArray().catch(() => undefined)) ?? new Uint8Array();
    return new ObjectReader(object, { size: Number(size), etag, head, pauseMs });
  }

  /** A broken connection is resumed at the byte where it broke. */
  async *read(start: number, end: number, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const known = this.#head.subarray(start, end);
    // A copy, because readers may free what they get.
    if (known.length > 0) yield Buffer.from(known);
    let at = start + known.length;
    for (let failures = 0; at < end;) {
      try {
        for await (const bytes of await this.#get(at, end, signal)) {
          at += bytes.length;
          failures = 0;
          yield bytes;
        }
        if (at < end) throw new Error(`the response ended at byte ${at}`);
      } catch (error) {
        signal?.throwIfAborted();
        if (isFinal(error) || ++failures >= maxFailures) throw await this.#object.failure('read', error);
        await sleep(this.#pauseMs * failures, undefined, signal && { signal });
      }
    }
  }

  /** Nothing is open between two reads. */
  async close(): Promise<void> {}

  async #get(start: number, end: number, signal: AbortSignal | undefined): Promise<AsyncIterable<Uint8Array>> {
    const found = await this.#object.get({ start, end, etag: this.version }, signal).catch((error: unknown) => {
      if (isNamed(error, 'PreconditionFailed')) throw this.#replaced();
      throw error;
    });
    if (!found) throw this.#replaced();
    const { Body, ContentLength } = found;
    if (ContentLength !== end - start) throw new Error(`${ContentLength} bytes came, not ${end - start}`);
    if (!(Body instanceof Readable)) throw new TypeError('the response is no stream of Node.js');
    return signal ? addAbortSignal(signal, Body) : Body;
  }

  #replaced(): FactoryError {
    return new FactoryError('StoreFailed', `${this.name} was replaced or deleted while it was read`, {
      hint: 'Run the command again when nothing writes to the object.',
    });
  }
}

function unusable(message: string): FactoryError {
  return new FactoryError('StoreFailed', message, {
    hint: 'Correct the address, or export the bundle again.',
  });
}

/** Returns true for a refusal. Another request gets the same. */
function isFinal(error: unknown): boolean {
  if (error instanceof FactoryError) return true;
  const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
  return status !== undefined && status >= 400 && status < 500;
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof S3ServiceException && error.name === name;
}
