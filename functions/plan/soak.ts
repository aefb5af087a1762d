import { getJson, type ObjectStore, putJson } from '../store/object-store.ts';

const key = 'first-seen.json';
const dayMs = 86_400_000;

/**
 * Notes when images were first seen, and tells which of them Harness must not be switched to yet: image → the day from
 * which it may be. They are copied all the same.
 */
export async function soakingImages(
  store: ObjectStore,
  images: readonly string[],
  soakDays: number,
  now: Date,
): Promise<Map<string, string>> {
  const firstSeen = (await getJson<Record<string, string>>(store, key)) ?? {};
  const fresh = images.filter((image) => !Object.hasOwn(firstSeen, image));
  for (const image of fresh) firstSeen[image] = now.toISOString();
  if (fresh.length > 0) await putJson(store, key, firstSeen);
  const soaking = new Map<string, string>();
  for (const image of images) {
    const ripe = Date.parse(firstSeen[image] ?? '') + soakDays * dayMs;
    if (ripe > now.getTime()) soaking.set(image, new Date(ripe).toISOString().slice(0, 10));
  }
  return soaking;
}
