import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import type { Digest } from '../oci/spec/digest.ts';
import { type ImageName, formatReference, parseImageName } from '../oci/spec/reference.ts';
import { compareTags } from '../oci/spec/tag-order.ts';
import { isDigest } from '../oci/spec/digest.ts';
import { own } from '../text/own.ts';
import { digest } from './content.ts';
import { getJson, type ObjectStore, updateJson } from './object-store.ts';
import { firstVersion, versioned } from './schema.ts';

const key = 'first-seen.json';
const time = z.iso.datetime();
/** By `image@digest`: the time of the first plan that saw it. */
const images = z.record(z.string(), time);

const seenVersion = z.object({
  /** As Harness names it: `harness/ci-addon:1.18.22`. */
  image: z.string(),
  /** The digest of the official manifest. */
  digest,
  /** The digest of the copy, when it is another one, because platforms are left out. */
  copy: digest.exactOptional(),
  /** The time of the first plan that saw Harness offer the version for the field. */
  since: time,
});
/** A version of an image that Harness offered for a field. */
export type SeenVersion = z.output<typeof seenVersion>;

const fieldHistory = z.object({
  /** The days of soaking of the last sync. */
  soakDays: z.number(),
  /** The versions that Harness offered for the field and did not withdraw, the current one last. */
  versions: z.array(seenVersion),
});

const firstSeen = z.object({
  images,
  /** By account, module, infrastructure type and field. */
  fields: z.record(z.string(), fieldHistory),
});
export type FirstSeen = z.output<typeof firstSeen>;

const schema = versioned<FirstSeen>({
  content: firstSeen,
  cure: 'Delete it. Images then soak from the next plan on.',
  before: firstVersion({ content: images, under: 'images' }, (seen) => ({ images: seen, fields: {} })),
});

const dayMs = 86_400_000;
/** The largest value of `soak_days`, and older versions that a field keeps beyond it. */
const longestSoakDays = 90;
const olderVersions = 3;
const mostVersions = 200;
/** Days after which an image is forgotten that no field and no plan names. Soaking begins again for one that returns. */
const forgottenDays = 2 * longestSoakDays;

/** A version that Harness offers for a field now. */
export interface Offer {
  /** The key of the field: see `fieldKey`. */
  field: string;
  image: ImageName;
  digest: Digest;
  copy?: Digest | undefined;
}

export interface Sightings {
  /** Images that a source has, as `image@digest`. */
  images: readonly string[];
  offers: readonly Offer[];
  /** Given by a run that switches: prune then keeps the versions that soak or are ripe. */
  soakDays?: number | undefined;
}

export function fieldKey(
  accountId: string,
  row: { module: string; infrastructureType: string; field: string },
): string {
  return `${accountId} ${row.module} ${row.infrastructureType} ${row.field}`;
}

export function seenKey({ image, digest: official }: Pick<SeenVersion, 'image' | 'digest'>): string {
  return `${image}@${official}`;
}

/** Returns the first day (UTC) on which a version may be used. Nightly runs start at different seconds. */
export function ripeAt(seen: FirstSeen, version: SeenVersion, soakDays: number): Date {
  const first = Date.parse(own(seen.images, seenKey(version)) ?? version.since);
  return new Date((Math.floor(first / dayMs) + soakDays) * dayMs);
}

export async function readFirstSeen(store: ObjectStore): Promise<FirstSeen> {
  return (await getJson(store, key, schema)) ?? { images: {}, fields: {} };
}

/** Records what a plan saw, and returns everything that is known now. */
export async function noteFirstSeen(store: ObjectStore, sightings: Sightings, now: Date): Promise<FirstSeen> {
  let known: FirstSeen = { images: {}, fields: {} };
  await updateJson(store, key, schema, (stored = { images: {}, fields: {} }) => {
    known = withSightings(stored, sightings, now);
    return isDeepStrictEqual(known, stored) ? undefined : known;
  });
  return known;
}

function withSightings(before: FirstSeen, { images: seenNow, offers, soakDays }: Sightings, now: Date): FirstSeen {
  const at = now.toISOString();
  const seen = { ...Object.fromEntries(seenNow.map((image) => [image, at])), ...before.images };
  const fields = { ...before.fields };
  const withdrawn = new Set<string>();
  for (const { field, image, digest: official, copy } of offers) {
    const name = formatReference(image);
    const history = own(fields, field);
    const first = own(seen, seenKey({ image: name, digest: official })) ?? at;
    const version = { image: name, digest: official, ...(copy !== undefined && { copy }), since: history ? at : first };
    const earlier = history?.versions ?? earlierVersions(seen, image, official);
    const versions = offered(earlier, version);
    for (const gone of earlier.filter((each) => !versions.some((left) => isSame(left, each)))) {
      withdrawn.add(seenKey(gone));
    }
    fields[field] = { soakDays: soakDays ?? history?.soakDays ?? 0, versions: bounded(versions, now) };
  }
  const inHistory = new Set(Object.values(fields).flatMap(({ versions }) => versions.map(seenKey)));
  const named = inHistory.union(new Set(seenNow));
  const oldest = now.getTime() - forgottenDays * dayMs;
  const left = Object.entries(seen).filter(
    ([image, first]) => named.has(image) || (!withdrawn.has(image) && Date.parse(first) > oldest),
  );
  return { images: Object.fromEntries(left), fields };
}

/**
 * Adds the version that Harness offers now. When Harness goes back to an older version, it has withdrawn the newer
 * ones: they are forgotten, and soak again if Harness offers them again.
 */
function offered(versions: readonly SeenVersion[], version: SeenVersion): SeenVersion[] {
  const known = versions.findIndex((each) => isSame(each, version));
  const before = versions[known];
  if (before) return [...versions.slice(0, known), { ...version, since: before.since }];
  return [...versions.filter((each) => (compareImages(each.image, version.image) ?? -1) <= 0), version];
}

function isSame(a: SeenVersion, b: SeenVersion): boolean {
  return a.image === b.image && a.digest === b.digest;
}

/** Returns the versions of an image that plans saw before they recorded fields, the oldest first. */
function earlierVersions(seen: Readonly<Record<string, string>>, image: ImageName, official: Digest): SeenVersion[] {
  const name = formatReference(image);
  const offeredAt = own(seen, seenKey({ image: name, digest: official })) ?? '';
  return Object.entries(seen)
    .flatMap(([entry, since]): SeenVersion[] => {
      const cut = entry.lastIndexOf('@');
      const [earlier, version] = [entry.slice(0, cut), entry.slice(cut + 1)];
      if (!isDigest(version)) return [];
      const order = earlier === name ? Date.parse(since) - Date.parse(offeredAt) : compareImages(earlier, name);
      return order !== undefined && order < 0 ? [{ image: earlier, digest: version, since }] : [];
    })
    .toSorted((a, b) => compareImages(a.image, b.image) || Date.parse(a.since) - Date.parse(b.since));
}

/** Compares images of one repository by their tags. Returns `undefined` for others. */
export function compareImages(a: string, b: string): number | undefined {
  const [imageA, imageB] = [parseImageName(a), parseImageName(b)];
  if (imageA.registry !== imageB.registry || imageA.repository !== imageB.repository) return undefined;
  return compareTags(imageA.tag ?? '', imageB.tag ?? '');
}

/** Leaves out versions that no run can still choose: they are older than the longest soak, and so are some newer ones. */
function bounded(versions: readonly SeenVersion[], now: Date): SeenVersion[] {
  const oldest = now.getTime() - longestSoakDays * dayMs;
  const old = versions.filter(({ since }) => Date.parse(since) < oldest).length;
  return versions.slice(Math.max(0, old - olderVersions)).slice(-mostVersions);
}
