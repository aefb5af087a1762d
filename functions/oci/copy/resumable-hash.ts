import { createSHA256, createSHA512 } from 'hash-wasm';
import type { Digest } from '../spec/digest.ts';

/** A hash that another process can resume. Node's own cannot be saved, but is seven times as fast. */
export interface ResumableHash {
  update(bytes: Uint8Array): void;
  /** Returns the state for `resumableHash`, as base64. It may contain up to one block of the hashed bytes. */
  save(): string;
  digest(): Digest;
}

/** Creates a hash by the algorithm of `like`, default sha256, new or from a saved state. Throws for any other state. */
export async function resumableHash(like: Digest | undefined, saved?: string): Promise<ResumableHash> {
  const algorithm = like?.startsWith('sha512:') ? 'sha512' : 'sha256';
  const hash = (await (algorithm === 'sha512' ? createSHA512() : createSHA256())).init();
  if (saved !== undefined) hash.load(Buffer.from(saved, 'base64'));
  return {
    update: (bytes) => void hash.update(bytes),
    save: () => Buffer.from(hash.save()).toString('base64'),
    digest: () => `${algorithm}:${hash.digest('hex')}` as Digest,
  };
}
