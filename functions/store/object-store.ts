import { FactoryError } from '../errors.ts';

/**
 * Where a run keeps what is too large or too lasting for the workflow's state: plans, per-image results, snapshots,
 * reports. A folder locally, a bucket on AWS. Keys are relative paths of `[A-Za-z0-9._/-]`, never starting with `/` and
 * without `..`; the caller builds them from run ids, digests and indexes, never from unchecked remote text.
 */
export interface ObjectStore {
  /** The object's bytes, or `undefined` when there is none. Throws `StoreFailed`. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Writes the whole object; a reader sees the old bytes or the new, never a part. Throws `StoreFailed`. */
  put(key: string, body: Uint8Array): Promise<void>;
  /** Every key that begins with `prefix`, sorted. Throws `StoreFailed`. */
  list(prefix: string): Promise<string[]>;
}

const safeKey = /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/;

/** Guards adapters against a key that would leave the store. Throws `TypeError`: such a key is a bug of the caller. */
export function assertKey(key: string): void {
  if (!safeKey.test(key)) throw new TypeError(`unsafe object key: ${JSON.stringify(key)}`);
}

/** A JSON document, or `undefined` when there is none. Throws `StoreFailed`, also for what is not JSON. */
export async function getJson<T>(store: ObjectStore, key: string): Promise<T | undefined> {
  const body = await store.get(key);
  if (!body) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(body)) as T;
  } catch (cause) {
    throw new FactoryError('StoreFailed', `${key} in the object store is not JSON`, {
      hint: 'Something else wrote it, or the disk is damaged. Restore it from a backup, or delete it.',
      cause,
    });
  }
}

export async function putJson(store: ObjectStore, key: string, value: unknown): Promise<void> {
  await store.put(key, new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`));
}
