import { inParallel } from '../async/in-parallel.ts';
import { formatReference, parseImageName, type Reference, relocate } from '../oci/spec/reference.ts';
import { resolveTag } from '../oci/registry/manifests.ts';
import type { ReferrersPolicy } from '../oci/registry/referrers.ts';
import type { Digest } from '../oci/spec/digest.ts';
import type { PlannedImage, SoakingVersion } from '../state/documents.ts';
import {
  compareImages,
  fieldKey,
  type FirstSeen,
  noteFirstSeen,
  type Offer,
  ripeAt,
  seenKey,
  type SeenVersion,
  type Sightings,
} from '../state/first-seen.ts';
import { isForeign, parseOverride } from '../overrides/override.ts';
import { areCounterparts } from '../overrides/pairs.ts';
import type { RunSettings } from '../settings/run-settings.ts';
import { own } from '../text/own.ts';
import { type Found, type ImageSettings, planVersion } from './images.ts';
import { planRepairs, type RepairSettings } from './repairs.ts';
import { ripeVersions } from './ripe-versions.ts';
import type { SelectedField } from './selection.ts';
import type { TaskRun } from '../runtime/task-run.ts';

const lookupsInFlight = 16; // Survives mutation: the number of parallel requests decides the speed alone.

/** A version that a field gets while Harness's current one soaks. */
export interface RipeVersion {
  /** The name of its planned image. */
  key: string;
  /** The name of its copy, as overrides have it. */
  value: string;
}

export interface Soak {
  /** The first day of the switch to an image of `found` that soaks, by its name. */
  soaking: Map<string, string>;
  ripe: Map<SelectedField, RipeVersion>;
  /** The images of ripe versions that a field is switched to or whose tag moves. */
  found: Found[];
  versions: SoakingVersion[];
  warnings: string[];
}

type Settings = Pick<RunSettings, 'action' | 'registry' | 'formerRegistry' | 'sources' | 'soakDays'>;

interface Situation {
  settings: Settings;
  seen: FirstSeen;
  accountId: string;
  now: Date;
  /** Finds a version at the registry or at a source. Returns `undefined` when neither has it whole. */
  find: (version: SeenVersion, key: string, signal?: AbortSignal) => Promise<Found | undefined>;
  resolve: (reference: Reference, signal?: AbortSignal) => Promise<Digest | undefined>;
}

/**
 * Records the versions that Harness offers, and chooses the version of every field whose current one soaks: the newest
 * that is ripe and not older than the one in use. Versions that Harness withdrew are never chosen. The time of soaking
 * counts by digest: a tag that moved is a new version.
 */
export async function planSoak(
  fields: readonly SelectedField[],
  found: readonly Found[],
  settings: Settings & Omit<ImageSettings, 'expected'> & Pick<RepairSettings, 'inventory' | 'recheckDays' | 'now'>,
  { runtime, signal }: TaskRun,
): Promise<Soak> {
  const { now } = settings;
  const { accountId } = await runtime.harness();
  const seen = await noteFirstSeen(runtime.store, sightingsOf(fields, found, settings, accountId), now);
  const find: Situation['find'] = async (version, key, lookup) => {
    const image = await planVersion(
      { ...version, key },
      { ...settings, expected: new Set() },
      { runtime, signal: lookup },
    );
    const repair = { ...settings, switched: new Set([key]), inUse: [] };
    if (settings.read) await planRepairs([image], repair, { runtime, signal: lookup });
    return image.planned.status === 'failed' ? undefined : image;
  };
  const resolve: Situation['resolve'] = (reference, lookup) =>
    resolveTag(runtime.repository(reference), reference.tag ?? 'latest', { signal: lookup });
  return chooseVersions(fields, found, { settings, seen, accountId, now, find, resolve }, signal);
}

/** Returns what a plan saw: the images that a source has, and the versions that Harness offers for fields. */
export function sightingsOf(
  fields: readonly SelectedField[],
  found: readonly Found[],
  { action, soakDays }: Settings,
  accountId: string,
): Sightings {
  const planned = new Map(found.map((image) => [image.planned.image, image.planned]));
  return {
    images: found.flatMap(({ planned: { image, sourceDigest } }) =>
      sourceDigest === undefined ? [] : [`${image}@${sourceDigest}`],
    ),
    offers: fields.flatMap((field): Offer[] => {
      const { sourceDigest: digest, digest: copy } = planned.get(formatReference(field.image)) ?? {};
      // A pin is the choice of the user, and no version that Harness offers.
      if (digest === undefined || field.pinned) return [];
      const key = fieldKey(accountId, field);
      return [{ field: key, image: field.image, digest, ...(copy !== undefined && copy !== digest && { copy }) }];
    }),
    ...(action === 'sync' && { soakDays }),
  };
}

/** Chooses the version of every field, given what plans have seen. */
export async function chooseVersions(
  fields: readonly SelectedField[],
  found: readonly Found[],
  { settings, seen, accountId, now, find, resolve }: Situation,
  signal?: AbortSignal,
): Promise<Soak> {
  const { registry, soakDays } = settings;
  const planned = new Map(found.map((image) => [image.planned.image, image]));
  const dayOf = (version: SeenVersion) => ripeAt(seen, version, soakDays);
  const isRipe = (version: SeenVersion) => dayOf(version) <= now;
  const soaking = new Map<string, string>();
  for (const { planned: image } of found) {
    const version = versionOf(image);
    if (version && !isRipe(version)) soaking.set(image.image, dayText(dayOf(version)));
  }
  const soak: Soak = { soaking, ripe: new Map(), found: [], versions: [], warnings: [] };
  soak.versions = soakingVersions();
  // A tag of the registry can have one digest only.
  const tags = new Map<string, Digest>();
  for (const { planned: image } of found) {
    const { digest, target } = image;
    if (digest !== undefined && !soaking.has(image.image)) tags.set(formatReference(target), digest);
  }
  const lookups = new Map<string, Promise<Found | undefined>>();
  const resolved = new Map<string, Promise<Digest | undefined>>();
  const groups = groupsOf(fields.filter((field) => !isKeptByUser(field))).filter((group) =>
    group.some(({ image }) => soaking.has(formatReference(image))),
  );
  await inParallel(groups, lookupsInFlight, signal, chooseForGroup);
  return soak;

  async function chooseForGroup(group: readonly SelectedField[], lookup: AbortSignal): Promise<void> {
    const histories = group.flatMap((field) => {
      const versions = historyOf(field);
      return versions ? [{ field, versions }] : [];
    });
    if (histories.length < group.length) return;
    const offered = await Promise.all(
      histories.map(async ({ field, versions }) => ({
        field,
        versions,
        oldest: await indexInUse(field, versions, lookup),
      })),
    );
    for (const together of ripeVersions(offered, isRipe)) {
      const choices = await Promise.all(
        together.map(async ({ field, version }) => ({ field, choice: await choose(field, version, lookup) })),
      );
      const found = choices.flatMap(({ field, choice }) => (choice ? [[field, choice] as const] : []));
      if (found.length < group.length) continue;
      for (const [field, choice] of found) soak.ripe.set(field, choice);
      return;
    }
  }

  /** Returns the versions of a field; `undefined` when the digest of the current one is unknown. */
  function historyOf({ pinned, ...field }: SelectedField): readonly SeenVersion[] | undefined {
    const current = planned.get(formatReference(field.image));
    const version = current && versionOf(current.planned);
    if (!version) return undefined;
    if (pinned) return [version];
    return own(seen.fields, fieldKey(accountId, field))?.versions ?? [version];
  }

  /** Returns the versions of a field after the one that its override names. A tag that moves names none of them. */
  function newerThanUsed(field: SelectedField): readonly SeenVersion[] {
    const versions = historyOf(field) ?? [];
    const [used, ...more] = versions.filter(
      ({ image }) => formatReference(relocate(parseImageName(image), registry)) === field.override,
    );
    return used && more.length === 0 ? versions.slice(versions.indexOf(used) + 1) : versions;
  }

  /** Returns the index of the version that an override names, or of the oldest that is not older; 0 without one. */
  async function indexInUse(
    field: SelectedField,
    versions: readonly SeenVersion[],
    lookup: AbortSignal,
  ): Promise<number> {
    const override = field.override === undefined ? undefined : parseOverride(field.override);
    if (!override) return 0;
    const { tag, digest } = override;
    const sameTag = versions.filter(({ image }) => parseImageName(image).tag === tag);
    if (digest !== undefined || sameTag.length > 1) {
      const used = digest ?? (await digestAt(relocate({ ...field.image, tag, digest: undefined }, registry), lookup));
      return Math.max(
        0,
        versions.findLastIndex((version) => used === (version.copy ?? version.digest) || used === version.digest),
      );
    }
    const [same] = sameTag;
    if (same) return versions.indexOf(same);
    const name = formatReference({ ...field.image, tag, digest: undefined });
    const newer = versions.findIndex(({ image }) => (compareImages(image, name) ?? 0) >= 0);
    return newer === -1 ? versions.length : newer;
  }

  /** Returns a version for a field, once it is at the registry or can be copied there; else `undefined`. */
  async function choose(
    field: SelectedField,
    version: SeenVersion,
    lookup: AbortSignal,
  ): Promise<RipeVersion | undefined> {
    const name = parseImageName(version.image);
    const value = formatReference(relocate(name, registry));
    const official = planned.get(version.image);
    if (official && official.planned.sourceDigest === version.digest) {
      return official.planned.status === 'failed' ? undefined : { key: version.image, value };
    }
    const key = official ? seenKey(version) : version.image;
    const moves = official !== undefined;
    const digest = version.copy ?? version.digest;
    // Only a tag that moves could have another digest. Other fields may use a newer one.
    const before = moves ? await digestAt(relocate(name, registry), lookup) : digest;
    if (before !== undefined && isNewer(before, version)) return undefined;
    if ((tags.get(value) ?? digest) !== digest) return undefined;
    tags.set(value, digest);
    // In use already.
    if (field.override === value && before === digest) return { key, value };
    let image = lookups.get(key);
    if (!image) lookups.set(key, (image = look(version, key, lookup)));
    if (await image) return { key, value };
    tags.delete(value);
    return undefined;
  }

  /** Returns whether a digest of the registry is that of a version that was seen after another, and not withdrawn. */
  function isNewer(digest: Digest, than: SeenVersion): boolean {
    const since = (each: SeenVersion) => Date.parse(own(seen.images, seenKey(each)) ?? each.since);
    return Object.values(seen.fields).some(({ versions }) =>
      versions.some(
        (each) => each.image === than.image && digest === (each.copy ?? each.digest) && since(each) > since(than),
      ),
    );
  }

  async function look(version: SeenVersion, key: string, lookup: AbortSignal): Promise<Found | undefined> {
    const image = await find(version, key, lookup);
    if (image) soak.found.push(image);
    else soak.warnings.push(`${seenKey(version)} has soaked, but neither the registry nor a source has all of it`);
    return image;
  }

  function digestAt(reference: Reference, lookup: AbortSignal): Promise<Digest | undefined> {
    const name = formatReference(reference);
    let digest = resolved.get(name);
    if (!digest) resolved.set(name, (digest = resolve(reference, lookup)));
    return digest;
  }

  /** A user's own image is left alone, and so it does not hold back the other of its pair. */
  function isKeptByUser({ override, image }: SelectedField): boolean {
    return override !== undefined && isForeign(override, image, settings);
  }

  function soakingVersions(): SoakingVersion[] {
    const rows = new Map<string, SoakingVersion>();
    const add = (version: SeenVersion, field?: string) => {
      if (isRipe(version)) return;
      const { image, digest } = version;
      const row = rows.get(seenKey(version)) ?? { image, digest, until: dayText(dayOf(version)), fields: [] };
      if (field !== undefined) row.fields.push(field);
      rows.set(seenKey(version), row);
    };
    for (const field of fields) {
      const name = `${field.module} ${field.infrastructureType} ${field.field}`;
      for (const version of newerThanUsed(field)) add(version, name);
    }
    const ofFields = new Set(fields.map(({ image }) => formatReference(image)));
    for (const { planned: image } of found) {
      const version = versionOf(image);
      if (version && !ofFields.has(image.image)) add(version);
    }
    return [...rows.values()].toSorted((a, b) => a.until.localeCompare(b.until) || a.image.localeCompare(b.image));
  }
}

/** Returns the version of a planned image; `undefined` when no source has it. It counts as always offered. */
function versionOf({ image, sourceDigest, digest }: PlannedImage): SeenVersion | undefined {
  if (sourceDigest === undefined) return undefined;
  const copy = digest !== undefined && digest !== sourceDigest ? { copy: digest } : {};
  return { image, digest: sourceDigest, ...copy, since: new Date(0).toISOString() };
}

/** Divides fields into groups that are switched together: pairs, and all others alone. */
function groupsOf(fields: readonly SelectedField[]): (readonly SelectedField[])[] {
  const groups: SelectedField[][] = [];
  for (const field of fields) {
    const group = groups.find((others) => others.some((other) => areCounterparts(other, field)));
    if (group) group.push(field);
    else groups.push([field]);
  }
  return groups;
}

function dayText(day: Date): string {
  return day.toISOString().slice(0, 10);
}

/**
 * Keeps tags at the target that fields use, or that a ripe version takes. Moving such a tag would switch every field
 * that names it, so an image that soaks is copied under its digest alone, and gets the tag in a later run. Changes
 * `found` accordingly; returns the images whose tag stays.
 */
export async function holdTags(
  found: readonly { planned: PlannedImage }[],
  { soaking, found: ripe }: Pick<Soak, 'soaking' | 'found'>,
  referrers: ReferrersPolicy,
  { runtime, signal }: TaskRun,
): Promise<Set<string>> {
  const held = new Set<string>();
  const taken = new Set(ripe.map(({ planned: { target } }) => formatReference(target)));
  await inParallel(found, lookupsInFlight, signal, async (image, lookup) => {
    const { planned } = image;
    if (planned.status !== 'copy' || planned.present || !soaking.has(planned.image)) return;
    const { digest } = planned;
    const { tag, ...reference } = planned.target;
    const repository = runtime.repository(reference);
    if (digest === undefined || tag === undefined) return;
    const isTaken = taken.has(formatReference(planned.target));
    if (!isTaken && (await resolveTag(repository, tag, { signal: lookup })) === undefined) return;
    held.add(planned.image);
    const target = { ...reference, tag: undefined, digest };
    const isThere = (await resolveTag(repository, digest, { signal: lookup })) === digest;
    if (isThere && referrers === 'off') image.planned = { ...planned, target, digest, status: 'current' };
    else image.planned = { ...planned, target, ...(isThere && { present: true }) };
  });
  return held;
}
