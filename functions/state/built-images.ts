import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { Digest } from '../oci/spec/digest.ts';
import { digest } from './content.ts';
import { getJson, type ObjectStore, putJson } from './object-store.ts';
import { versioned } from './schema.ts';

/**
 * A build by BUILD_PUSH_TEMPLATE. The built image has another digest than the official one. The image at a target is
 * current when the same template built it from today's official image.
 */
const builtImage = z.object({ template: z.string(), source: digest, built: digest });
type BuiltImage = z.output<typeof builtImage>;

const schema = versioned({ content: builtImage, cure: 'Delete it. The next sync builds the image again.' });

/** Returns the digest of the build; `undefined` when `template` never built the target from `source`. */
export async function builtDigest(
  store: ObjectStore,
  target: string,
  { template, source }: Omit<BuiltImage, 'built'>,
): Promise<Digest | undefined> {
  const known = await getJson(store, keyOf(target), schema);
  return known?.template === template && known.source === source ? known.built : undefined;
}

export async function recordBuilt(store: ObjectStore, target: string, built: BuiltImage): Promise<void> {
  await putJson(store, keyOf(target), schema, built);
}

/** Gives each target a document, because many images are built at the same time. */
function keyOf(target: string): string {
  return `built/${createHash('sha256').update(target).digest('hex')}.json`;
}
