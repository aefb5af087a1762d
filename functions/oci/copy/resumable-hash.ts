import { createSHA256, createSHA512 } from 'hash-wasm';
import type { Digest } from '../spec/digest.ts';

/**
 * A hash that another process can go on with, which Node's own cannot; it takes seven times as long. Loaded only by
 * uploads in parts.
 */
export interface ResumableHash {
  update(bytes: Uint8Array): void;
  /** What `resumableHash` goes on with, as base64. It may hold up to a block of what was hashed. */
  save(): string;
  /** Ends it. */
  digest(): Digest;
}

/** A hash by the algorithm of `like`, new or from where it was saved. Throws for a state that no hash of ours saved. */
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
