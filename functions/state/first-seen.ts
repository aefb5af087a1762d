import * as z from 'zod';
import { type ObjectStore, updateJson } from './object-store.ts';
import { versioned } from './schema.ts';

const key = 'first-seen.json';

const schema = versioned({
  /** By `image@digest`: the time of the first plan that saw it. */
  content: z.record(z.string(), z.iso.datetime()),
  under: 'images',
  cure: 'Delete it. Images then soak from the next plan on.',
});

/** Records images that no plan saw before, and returns when each of `images` (as `image@digest`) was first seen. */
export async function noteFirstSeen(
  store: ObjectStore,
  images: readonly string[],
  now: Date,
): Promise<ReadonlyMap<string, Date>> {
  let known = new Map<string, string>();
  await updateJson(store, key, schema, (stored) => {
    known = new Map(Object.entries(stored ?? {}));
    const fresh = images.filter((image) => !known.has(image));
    for (const image of fresh) known.set(image, now.toISOString());
    return fresh.length > 0 ? Object.fromEntries(known) : undefined;
  });
  return new Map(images.map((image) => [image, new Date(known.get(image) ?? now)]));
}
