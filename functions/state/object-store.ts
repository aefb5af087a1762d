import { setTimeout as sleep } from 'node:timers/promises';
import { FactoryError } from '../errors.ts';
import type { Schema } from './schema.ts';

/** The type of pages for people. */
export const htmlType = 'text/html; charset=utf-8';

export interface PutOptions {
  /** Set for what a browser shows. A store that serves no browser ignores it. */
  contentType?: string;
}

/**
 * The store of everything too large or too lasting for the workflow's state: plans, results of images, snapshots,
 * reports. It is a folder locally and a bucket on AWS. Keys are relative paths of `[A-Za-z0-9._!'()%/-]`, never
 * starting with `/` and without `..`; the caller builds them from run ids, digests and indexes, never from unchecked
 * remote text.
 */
export interface ObjectStore {
  /** The object's bytes, or `undefined` when there is none. Throws `StoreFailed`. */
  get(key: string): Promise<Uint8Array | undefined>;
  /**
   * Writes the whole object; a reader gets the old bytes or the new ones, never a part of them. Throws `StoreFailed`.
   */
  put(key: string, body: Uint8Array, options?: PutOptions): Promise<void>;
  /** Every key that begins with `prefix`, sorted. Throws `StoreFailed`. */
  list(prefix: string): Promise<string[]>;
  /**
   * Writes what `change` returns for the object (`undefined` when there is none), or nothing when it returns
   * `undefined`. Returns `false` when another writer was faster: then nothing was written. Throws `StoreFailed`.
   */
  update(key: string, change: (body: Uint8Array | undefined) => Uint8Array | undefined): Promise<boolean>;
  /** Returns the path or address of the object, for messages. */
  locate(key: string): string;
}

const safeKey = /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[A-Za-z0-9._!'()%-]+(?:\/[A-Za-z0-9._!'()%-]+)*$/;

/** Guards adapters against a key that would leave the store. Throws `TypeError`: such a key is a bug of the caller. */
export function assertKey(key: string): void {
  if (!safeKey.test(key)) throw new TypeError(`unsafe object key: ${JSON.stringify(key)}`);
}

/** Reads a JSON document; `undefined` when there is none. Throws `StoreFailed`, also for one that `schema` refuses. */
export async function getJson<T>(store: ObjectStore, key: string, schema: Schema<T>): Promise<T | undefined> {
  const body = await store.get(key);
  return body && schema.decode(body, store.locate(key));
}

export async function putJson<T>(store: ObjectStore, key: string, schema: Schema<T>, value: T): Promise<void> {
  await store.put(key, schema.encode(value));
}

/**
 * Updates a JSON document in one step that no other writer can come between. `change` gets the document, or
 * `undefined`, and returns the new one, or `undefined` to leave it. It may be called several times. Throws
 * `StoreFailed`.
 */
export async function updateJson<T>(
  store: ObjectStore,
  key: string,
  schema: Schema<T>,
  change: (value: T | undefined) => T | undefined,
): Promise<void> {
  const place = store.locate(key);
  for (let attempt = 0; attempt < updateAttempts; attempt++) {
    const updated = await store.update(key, (body) => {
      const value = change(body && schema.decode(body, place));
      return value === undefined ? undefined : schema.encode(value);
    });
    if (updated) return;
    await sleep(Math.random() * Math.min(500, 2 ** attempt));
  }
  throw new FactoryError(
    'StoreFailed',
    `other runs changed ${place} during all ${updateAttempts} attempts to update it`,
    {
      hint: 'Start the run again when fewer runs use this state.',
    },
  );
}

/** The pauses between them add up to about 10 seconds, longer than a `FileStore` keeps the lock of a dead process. */
const updateAttempts = 50;
