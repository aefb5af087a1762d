import { createSHA256, createSHA512 } from 'hash-wasm';
import type { Digest } from '../spec/digest.ts';

/**
 * A hash that another process can resume. Node's own cannot be saved; this one is seven times as slow. Loaded only for
 * uploads in parts.
 */
export interface ResumableHash {
  update(bytes: Uint8Array): void;
  /** Returns the state for `resumableHash`, as base64. It may contain up to one block of the hashed bytes. */
  save(): string;
  /** Ends the hash and returns its digest. */
  digest(): Digest;
}

/**
 * Creates a hash with the algorithm of `like`, new or from a saved state. Throws for a state that `save` did not
 * produce.
 */
export async function resumableHash(like: Digest, saved?: string): Promise<ResumableHash> {
  const [algorithm = ''] = like.split(':');
  const hash = (await (algorithm === 'sha512' ? createSHA512() : createSHA256())).init();
  if (saved !== undefined) hash.load(Buffer.from(saved, 'base64'));
  return {
    update: (bytes) => void hash.update(bytes),
    save: () => Buffer.from(hash.save()).toString('base64'),
    digest: () => `${algorithm}:${hash.digest('hex')}` as Digest,
  };
}
