import { resumableHash } from '../oci/copy/resumable-hash.ts';
import { type Digest, finishDigest, hasher } from '../oci/spec/digest.ts';

/** A hash over bytes that arrive one after the other. */
export interface RunningHash {
  update(bytes: Uint8Array): void;
  digest(): Digest;
  /** Returns the state, for a later process; absent in Node's own hash, which is much faster. */
  save?(): string;
}

/** Creates a hash by the algorithm of `like`, default sha256. With a `saved` state it continues an earlier one. */
export async function runningHash(
  like: Digest | undefined,
  { resumable = false, saved }: { resumable?: boolean; saved?: string | undefined } = {},
): Promise<RunningHash> {
  if (resumable || saved !== undefined) return resumableHash(like, saved);
  const hash = hasher(like);
  return { update: (bytes) => void hash.update(bytes), digest: () => finishDigest(hash, like) };
}
