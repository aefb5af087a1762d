import { addAbortSignal, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { S3ServiceException } from '@aws-sdk/client-s3';
import { FactoryError } from '../errors.ts';
import type { RangeReader } from '../oci/layout/ranges.ts';
import type { BucketObject } from './bucket-object.ts';

/** Failures in a row, without a byte between them, after which a read ends. */
const maxFailures = 5;

/** Reads ranges of an object. Fails when the object is replaced meanwhile. */
export class ObjectReader implements RangeReader {
  readonly name: string;
  readonly size: number;
  /** The ETag. */
  readonly version: string | undefined;
  readonly #object: BucketObject;
  readonly #pauseMs: number;

  private constructor(
    object: BucketObject,
    { size, etag, pauseMs }: { size: number; etag: string | undefined; pauseMs: number },
  ) {
    this.name = object.name;
    this.size = size;
    this.#object = object;
    this.version = etag;
    this.#pauseMs = pauseMs;
  }

  /**
   * Opens an object that must exist. Requests its first byte, because a HEAD response has no reason for a refusal. `pauseMs`
   * is the pause after a failure, which grows.
   *
   * @throws {FactoryError} `StoreFailed`.
   */
  static async open(object: BucketObject, { pauseMs = 500 } = {}, signal?: AbortSignal): Promise<ObjectReader> {
    const found = await object.get({ start: 0, end: 1 }, signal).catch(async (error: unknown) => {
      signal?.throwIfAborted();
      if (isNamed(error, 'InvalidRange')) throw unusable(`${object.name} is empty`);
      throw await object.failure('read', error);
    });
    if (!found) throw unusable(`${object.name} does not exist`);
    // Frees the connection.
    await found.Body?.transformToByteArray().catch(() => undefined);
    const [, size] = /^bytes 0-0\/(\d+)$/.exec(found.ContentRange ?? '') ?? [];
    if (size === undefined) throw unusable(`the server of ${object.name} ignores ranges`);
    return new ObjectReader(object, { size: Number(size), etag: found.ETag, pauseMs });
  }

  /** A broken connection is resumed at the byte where it broke. */
  async *read(start: number, end: number, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    let at = start;
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
