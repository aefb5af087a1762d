import * as z from 'zod';
import { getJson, type ObjectStore, putJson } from './object-store.ts';
import { versioned } from './schema.ts';

const key = 'first-seen.json';

const schema = versioned({
  /** By `image@digest`: the time of the first plan that saw it. */
  content: z.looseObject({ images: z.record(z.string(), z.iso.datetime()) }),
  migrate: (images) => ({ images }),
  cure: 'Delete it. Images then soak from the next plan on.',
});

/**
 * Notes images that no plan saw before, and returns when each of `images` (as `image@digest`) was first seen. Runs that
 * switch hold the account's lock. A note of a plan beside one may get lost; the image then soaks a little longer.
 */
export async function noteFirstSeen(
  store: ObjectStore,
  images: readonly string[],
  now: Date,
): Promise<ReadonlyMap<string, Date>> {
  const known = new Map(Object.entries((await getJson(store, key, schema))?.images ?? {}));
  const fresh = images.filter((image) => !known.has(image));
  for (const image of fresh) known.set(image, now.toISOString());
  if (fresh.length > 0) await putJson(store, key, schema, { images: Object.fromEntries(known) });
  return new Map(images.map((image) => [image, new Date(known.get(image) ?? now)]));
}
