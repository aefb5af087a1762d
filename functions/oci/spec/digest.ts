import { createHash, type Hash } from 'node:crypto';
import { FactoryError } from '../../errors.ts';

declare const brand: unique symbol;

/** A checked content digest, `sha256:<64 hex>` or `sha512:<128 hex>` (image-spec descriptor.md, "Digests"). */
export type Digest = string & { readonly [brand]: 'Digest' };

const pattern = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

export function isDigest(text: string): text is Digest {
  return pattern.test(text);
}

/** Throws `ManifestInvalid` for anything but a supported digest, so that nothing else gets into a path. */
export function parseDigest(text: unknown, where: string): Digest {
  if (typeof text === 'string' && isDigest(text)) return text;
  // A value of another type may be nested arbitrarily deep.
  const found = typeof text === 'string' ? JSON.stringify(text.slice(0, 120)) : typeof text;
  throw new FactoryError('ManifestInvalid', `${where} is not a sha256 or sha512 digest: ${found}`, {
    hint: 'Compare with another source registry: this one served an invalid image.',
  });
}

/** Returns the digest of `bytes`, by the algorithm of `like`. Default: sha256. */
export function digestOf(bytes: Uint8Array, like?: Digest): Digest {
  return finishDigest(hasher(like).update(bytes), like);
}

/** Returns a hash by the algorithm of `like`, for `finishDigest`. */
export function hasher(like?: Digest): Hash {
  return createHash(algorithmOf(like));
}

export function finishDigest(hash: Hash, like?: Digest): Digest {
  return `${algorithmOf(like)}:${hash.digest('hex')}` as Digest;
}

function algorithmOf(digest: Digest | undefined): 'sha256' | 'sha512' {
  return digest?.startsWith('sha512:') ? 'sha512' : 'sha256';
}
