import { createHash } from 'node:crypto';
import type { Digest } from '../oci/spec/digest.ts';
import { getJson, type ObjectStore, putJson } from './object-store.ts';

/**
 * What BUILD_PUSH_TEMPLATE made of which official image. What it pushes has a digest of its own: an image at the target
 * is current when it is the one that was made, by the same template, of the official image of today.
 */
interface BuiltImage {
  template: string;
  source: Digest;
  built: Digest;
}

/** `undefined` when the target's image was made of another one, in another way, or never. */
export async function builtDigest(
  store: ObjectStore,
  target: string,
  { template, source }: Omit<BuiltImage, 'built'>,
): Promise<Digest | undefined> {
  const known = await getJson<BuiltImage>(store, keyOf(target));
  return known?.template === template && known.source === source ? known.built : undefined;
}

export async function recordBuilt(store: ObjectStore, target: string, built: BuiltImage): Promise<void> {
  await putJson(store, keyOf(target), built);
}

/** A document for each target: many are built at the same time. */
function keyOf(target: string): string {
  return `built/${createHash('sha256').update(target).digest('hex')}.json`;
}
