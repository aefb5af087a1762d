import { createHash } from 'node:crypto';

const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
// distribution-spec, "Pulling manifests": the grammar of <name> and of a tag.
const namePattern = new RegExp(`^${component}(?:/${component})*$`);
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const hexLengths: Record<string, number> = { sha256: 64, sha512: 128 };

export type Algorithm = 'sha256' | 'sha512';

export function isName(text: string): boolean {
  return text.length <= 255 && namePattern.test(text);
}

export function isTag(text: string): boolean {
  return tagPattern.test(text);
}

/** Returns whether the text is a digest of an algorithm that this registry can check. */
export function isDigest(text: string): boolean {
  const [algorithm = '', hex = '', ...rest] = text.split(':');
  return rest.length === 0 && hex.length === hexLengths[algorithm] && /^[0-9a-f]+$/.test(hex);
}

export function algorithmOf(digest: string): Algorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

export function digestOf(chunks: Iterable<Uint8Array>, algorithm: Algorithm = 'sha256'): string {
  const hash = createHash(algorithm);
  for (const chunk of chunks) hash.update(chunk);
  return `${algorithm}:${hash.digest('hex')}`;
}
