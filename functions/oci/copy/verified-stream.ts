import { FactoryError } from '../../errors.ts';
import { finishDigest, hasher } from '../spec/digest.ts';
import type { Descriptor } from '../spec/manifest.ts';

/**
 * Passes a blob through while checking it. Withholds the last chunk until size and digest are verified, so that wrong
 * content never becomes a complete blob at its destination. Throws `DigestMismatch`, or what `wrong` returns.
 */
export async function* verifiedStream(
  source: AsyncIterable<Uint8Array>,
  descriptor: Descriptor,
  { onBytes, wrong = mismatch }: { onBytes?: (bytes: number) => void; wrong?: typeof mismatch | undefined } = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = hasher(descriptor.digest);
  let size = 0;
  let held: Uint8Array | undefined;
  for await (const chunk of source) {
    // An empty chunk must not replace the withheld one.
    if (chunk.length === 0) continue;
    size += chunk.length;
    if (size > descriptor.size) throw wrong(descriptor, `more than the ${descriptor.size} bytes announced`);
    hash.update(chunk);
    if (held) yield held;
    held = chunk;
    onBytes?.(chunk.length);
  }
  if (size < descriptor.size) throw wrong(descriptor, `${size} of ${descriptor.size} bytes`);
  const digest = finishDigest(hash, descriptor.digest);
  if (digest !== descriptor.digest) throw wrong(descriptor, `bytes of ${digest}`);
  if (held) yield held;
}

export function isMismatch(error: unknown): boolean {
  return error instanceof FactoryError && error.name === 'DigestMismatch';
}

export function mismatch(descriptor: Descriptor, got: string): FactoryError {
  return new FactoryError('DigestMismatch', `blob ${descriptor.digest} arrived as ${got}`, {
    hint: 'Try again, or use another source: the source registry, or a proxy in between, serves wrong content. None of it was kept.',
  });
}
