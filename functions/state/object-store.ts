import { FactoryError } from '../errors.ts';
import { printableJson } from '../text/printable.ts';

/**
 * Where a run keeps what is too large or too lasting for the workflow's state: plans, per-image results, snapshots,
 * reports. A folder locally, a bucket on AWS. Keys are relative paths of `[A-Za-z0-9._!'()%/-]`, never starting with `/`
 * and without `..`; the caller builds them from run ids, digests and indexes, never from unchecked remote text.
 */
export interface ObjectStore {
  /** The object's bytes, or `undefined` when there is none. Throws `StoreFailed`. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Writes the whole object; a reader sees the old bytes or the new, never a part. Throws `StoreFailed`. */
  put(key: string, body: Uint8Array): Promise<void>;
  /** Every key that begins with `prefix`, sorted. Throws `StoreFailed`. */
  list(prefix: string): Promise<string[]>;
  /**
   * Writes what `change` makes of the object (`undefined`: there is none), or nothing when it makes `undefined`. Returns
   * whether that is how the object is now: `false` says that another writer was faster, and that nothing was written.
   * An object that is updated is never put: adapters may keep the two apart. Throws `StoreFailed`.
   */
  update(key: string, change: (body: Uint8Array | undefined) => Uint8Array | undefined): Promise<boolean>;
  /** Where a person finds the object: a path, or an address. */
  locate(key: string): string;
}

const safeKey = /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[A-Za-z0-9._!'()%-]+(?:\/[A-Za-z0-9._!'()%-]+)*$/;

/** Guards adapters against a key that would leave the store. Throws `TypeError`: such a key is a bug of the caller. */
export function assertKey(key: string): void {
  if (!safeKey.test(key)) throw new TypeError(`unsafe object key: ${JSON.stringify(key)}`);
}

/** A JSON document, or `undefined` when there is none. Throws `StoreFailed`, also for what is not JSON. */
export async function getJson<T>(store: ObjectStore, key: string): Promise<T | undefined> {
  const body = await store.get(key);
  return body && (decode(key, body) as T);
}

export async function putJson(store: ObjectStore, key: string, value: unknown): Promise<void> {
  await store.put(key, encode(value));
}

/**
 * Updates a JSON document in one step that no other writer can come between. `change` gets the document, or `undefined`,
 * and returns the new one, or `undefined` to leave it; it may be called several times. Throws `StoreFailed`.
 */
export async function updateJson<T>(
  store: ObjectStore,
  key: string,
  change: (value: T | undefined) => T | undefined,
): Promise<void> {
  for (let attempt = 0; attempt < updateAttempts; attempt++) {
    const updated = await store.update(key, (body) => {
      const value = change(body && (decode(key, body) as T));
      return value === undefined ? undefined : encode(value);
    });
    if (updated) return;
  }
  throw new FactoryError(
    'StoreFailed',
    `${store.locate(key)} was changed ${updateAttempts} times while it was updated`,
    {
      hint: 'Many runs use this state at once: start the run again.',
    },
  );
}

/** Each failed one means that another writer succeeded. */
const updateAttempts = 50;

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${printableJson(value)}\n`);
}

function decode(key: string, body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch (cause) {
    throw new FactoryError('StoreFailed', `${key} in the object store is not JSON`, {
      hint: 'Something else wrote it, or the disk is damaged. Restore it from a backup, or delete it.',
      cause,
    });
  }
}
