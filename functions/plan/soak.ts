import { inParallel } from '../async/in-parallel.ts';
import { resolveTag } from '../oci/registry/manifests.ts';
import type { ReferrersPolicy } from '../oci/registry/referrers.ts';
import type { PlannedImage } from '../state/documents.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { noteFirstSeen } from '../state/first-seen.ts';
import type { ObjectStore } from '../state/object-store.ts';

const dayMs = 86_400_000;
const lookupsInFlight = 16;

/**
 * Records when images were first seen, and returns those that Harness must not be switched to yet: image → the first
 * day of the switch. Soaking images are copied all the same. The time counts by digest: a tag that moved is a new
 * image.
 */
export async function soakingImages(
  store: ObjectStore,
  images: readonly Pick<PlannedImage, 'image' | 'sourceDigest'>[],
  soakDays: number,
  now: Date,
): Promise<Map<string, string>> {
  const found = images.flatMap(({ image, sourceDigest }) =>
    sourceDigest === undefined ? [] : [{ image, seen: `${image}@${sourceDigest}` }],
  );
  const firstSeen = await noteFirstSeen(
    store,
    found.map(({ seen }) => seen),
    now,
  );
  const soaking = new Map<string, string>();
  for (const { image, seen } of found) {
    const ripe = (firstSeen.get(seen) ?? now).getTime() + soakDays * dayMs;
    if (ripe > now.getTime()) soaking.set(image, new Date(ripe).toISOString().slice(0, 10));
  }
  return soaking;
}

/**
 * Keeps tags at the target that fields use. Moving such a tag would switch every field that names it, so an image that
 * soaks is copied under its digest alone, and gets the tag in a later run. Changes `found` accordingly; returns the
 * images whose tag stays.
 */
export async function holdTags(
  found: readonly { planned: PlannedImage }[],
  soaking: ReadonlyMap<string, string>,
  referrers: ReferrersPolicy,
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<Set<string>> {
  const held = new Set<string>();
  await inParallel(found, lookupsInFlight, signal, async (image, lookup) => {
    const { planned } = image;
    if (planned.status !== 'copy' || planned.present || !soaking.has(planned.image)) return;
    const { digest } = planned;
    const { tag, ...reference } = planned.target;
    const repository = runtime.repository(reference);
    if (digest === undefined || tag === undefined) return;
    if ((await resolveTag(repository, tag, lookup)) === undefined) return;
    held.add(planned.image);
    const target = { ...reference, tag: undefined, digest };
    const isThere = (await resolveTag(repository, digest, lookup)) === digest;
    if (isThere && referrers === 'off') image.planned = { ...planned, target, digest, status: 'current' };
    else image.planned = { ...planned, target, ...(isThere && { present: true }) };
  });
  return held;
}
