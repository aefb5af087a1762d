import { FactoryError, type Problem } from '../errors.ts';
import { inParallel } from '../async/in-parallel.ts';
import { listTags } from '../oci/registry/tags.ts';
import { isDigest } from '../oci/spec/digest.ts';
import { formatReference, type ImageName, type RegistryLocation } from '../oci/spec/reference.ts';
import { parseVersionRange, type VersionRange, versionsWithin } from '../oci/spec/version-range.ts';
import type { RunSettings } from '../settings/run-settings.ts';
import { formatExtraImage, type ExtraImage } from '../settings/extra-image.ts';
import { type ExtraSet, imagesOfSets, isMoving, listOf } from '../settings/extra-sets.ts';
import { isSecured, namesOfImage, saasName, securedName } from '../settings/secured-names.ts';
import { globMatcher } from '../text/glob.ts';
import { own } from '../text/own.ts';
import { candidatesOf, type Found } from './images.ts';
import type { SelectedField } from './selection.ts';
import type { ScopeConfiguration } from '../overrides/scope-configuration.ts';
import type { TaskRun } from '../runtime/task-run.ts';

const lookupsInFlight = 16;
/** Maximum number of tags of a repository at a source. Repositories of Harness have some hundreds. */
const sourceTagLimit = 50_000;
/** Versions that a problem lists. */
const suggestions = 3;

const everyVersion = parseVersionRange('*');

type Settings = Pick<
  RunSettings,
  'extraImages' | 'extraSets' | 'images' | 'excludeFields' | 'pins' | 'sources' | 'allowUnmatched'
>;

/** An image that the input lists, and no field names. */
interface Wanted {
  image: ExtraImage;
  /** The set that lists the image; absent for an entry of the input. */
  set?: ExtraSet;
  /** JSON path of the entry. */
  path: string;
}

/** An image to copy that no field names. */
interface Extra {
  image: ImageName;
  /** The entry with a range that the image is the newest version of. */
  requested?: string;
  set?: ExtraSet;
}

/** An image of a set that no source has. */
export interface MissingImage {
  set: ExtraSet;
  image: string;
}

export interface Extras {
  extras: Extra[];
  missing: MissingImage[];
  warnings: string[];
}

/**
 * Returns the images of `extra_images` and `extra_sets`, each with the newest version that its range accepts. Reads the
 * tags of the first source that has such a version. An image of a set that no source has is missing: lists age.
 *
 * @throws {FactoryError} `InvalidInput` with each range of `extra_images` that no version matches; with
 * `allow_unmatched`, these are warnings too. The failure of the sources when none of them could be read.
 */
export async function findExtras(
  settings: Settings,
  scopes: readonly ScopeConfiguration[],
  { runtime, signal }: TaskRun,
): Promise<Extras> {
  const wanted = wantedImages(settings, isSelfManaged(scopes));
  const extras: (Extra | undefined)[] = [];
  const problems: Problem[] = [];
  const missing: MissingImage[] = [];
  await inParallel([...wanted.entries()], lookupsInFlight, signal, async ([index, { image, set, path }], lookup) => {
    const of = set === undefined ? {} : { set };
    const { range, ...name } = image;
    if (range === undefined) {
      extras[index] = { image: withVersion(name), ...of };
      return;
    }
    const { tag, ...known } = await newestTag(name, range, settings, { runtime, signal: lookup });
    if (tag !== undefined) extras[index] = { image: { ...name, tag }, requested: formatExtraImage(image), ...of };
    else if (set === undefined) problems.push(noMatch(path, image, known));
    else missing.push({ set, image: formatExtraImage(image) });
  });
  const warnings = refuseRanges(problems, settings.allowUnmatched);
  return { extras: extras.filter((extra) => extra !== undefined), missing, warnings };
}

/** Returns whether the account's own images are those of the self-managed platform. */
function isSelfManaged(scopes: readonly ScopeConfiguration[]): boolean {
  return scopes.some(({ defaults }) => Object.values(defaults).some(isSecured));
}

/** Returns the images of the input's entries and of its sets, after pins and `exclude_fields`. */
function wantedImages(
  { extraImages, extraSets, images = [], excludeFields, pins }: Settings,
  selfManaged: boolean,
): Wanted[] {
  const excluded = globMatcher(excludeFields);
  const pinned = (image: ExtraImage): ExtraImage => {
    const pin = own(pins, saasName(image.repository));
    if (pin === undefined) return image;
    const { range: _, ...name } = image;
    return isDigest(pin) ? { ...name, tag: undefined, digest: pin } : { ...name, tag: pin };
  };
  const listed = (key: string, some: readonly ExtraImage[]) =>
    some.map((image, index) => ({ image: isUnversioned(image) ? pinned(image) : image, path: `$.${key}[${index}]` }));
  return [
    ...listed(
      'images',
      images.map(({ image }) => image),
    ),
    ...listed('extra_images', extraImages),
    ...imagesOfSets(extraSets)
      .filter(({ image }) => !namesOfImage(image.repository).some(excluded))
      .map(({ set, image }) => {
        const repository = selfManaged ? securedName(image.repository) : image.repository;
        return { set, image: { ...(isMoving(image) ? pinned(image) : image), repository }, path: '$.extra_sets' };
      }),
  ];
}

function isUnversioned({ tag, digest, range }: ExtraImage): boolean {
  return tag === undefined && digest === undefined && range === undefined;
}

function withVersion(image: ImageName): ImageName {
  return image.tag === undefined && image.digest === undefined ? { ...image, tag: 'latest' } : image;
}

interface Newest {
  /** The newest tag within the range at the first source that has one. */
  tag?: string;
  /** The newest versions at the sources, when none is within the range. */
  newest: string[];
  /** Tags at the sources that are no versions. */
  others: string[];
}

async function newestTag(
  name: ImageName,
  range: VersionRange,
  settings: { sources: readonly RegistryLocation[] },
  { runtime, signal }: TaskRun,
): Promise<Newest> {
  const failures: FactoryError[] = [];
  const newest = new Set<string>();
  const others = new Set<string>();
  for (const candidate of candidatesOf(name, settings)) {
    try {
      const tags = (await listTags(runtime.repository(candidate), { signal, limit: sourceTagLimit })) ?? [];
      const [tag] = versionsWithin(range, tags);
      if (tag !== undefined) return { tag, newest: [], others: [] };
      const versions = versionsWithin(everyVersion, tags);
      for (const version of versions.slice(0, suggestions)) newest.add(version);
      for (const other of tags.filter((each) => !versions.includes(each)).slice(-suggestions)) others.add(other);
    } catch (error) {
      signal?.throwIfAborted();
      failures.push(FactoryError.from(error));
    }
  }
  // Registries refuse to list a repository that does not exist as one that is private.
  const failure = failures.find(({ name: reason }) => reason !== 'RegistryForbidden');
  if (failure && newest.size === 0) throw failure;
  return { newest: [...newest].slice(0, suggestions), others: [...others].slice(0, suggestions) };
}

function noMatch(path: string, image: ExtraImage, { newest, others }: Newest): Problem {
  const name = formatReference({ ...image, tag: undefined });
  const allowed =
    newest.length > 0
      ? `a range or a tag of ${name}, whose newest versions are ${newest.join(', ')}`
      : others.length > 0
        ? `a tag of ${name}, such as ${others.join(', ')}: a range chooses among plain versions such as 1.2.3, and no source has any`
        : `an image that a source has: none lists tags of ${name}`;
  return { path, found: JSON.stringify(formatExtraImage(image)), allowed };
}

function refuseRanges(problems: readonly Problem[], allowed: boolean): string[] {
  if (allowed)
    return problems.map(({ path, found, allowed: cure }) => `${path}: ${found} matches no version; expected ${cure}`);
  if (problems.length === 0) return [];
  const entries =
    problems.length === 1 ? '1 entry of extra_images matches' : `${problems.length} entries of extra_images match`;
  throw new FactoryError('InvalidInput', `${entries} no version`, {
    hint: 'Correct the ranges, or set allow_unmatched: true to leave these images out.',
    problems: problems.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
  });
}

/** Marks the images that no field names. A prune keeps them as long as runs list them. */
export function markUnnamed(found: readonly Found[], fields: readonly SelectedField[]): Found[] {
  const named = new Set(fields.map(({ image }) => formatReference(image)));
  return found.map((each) =>
    named.has(each.planned.image) ? each : { ...each, planned: { ...each.planned, unnamed: true } },
  );
}

/** Notes the choice of each range. Leaves out listed images that no source has, except those `required` elsewhere. */
export function withoutMissing(
  found: readonly Found[],
  { extras, missing }: Extras,
  required: ReadonlySet<string>,
): { found: Found[]; missing: MissingImage[] } {
  // An entry of extra_images comes first, and counts before the same image of a set.
  const byName = new Map(extras.toReversed().map((extra) => [formatReference(extra.image), extra]));
  const lost = [...missing];
  const kept = found.flatMap((each): Found[] => {
    const { planned } = each;
    const { set, requested } = byName.get(planned.image) ?? {};
    const isAbsent = planned.status === 'failed' && absences.has(planned.error.name);
    if (set !== undefined && isAbsent && !required.has(planned.image)) {
      lost.push({ set, image: planned.image });
      return [];
    }
    return [requested === undefined ? each : { ...each, planned: { ...planned, requested } }];
  });
  return { found: kept, missing: lost };
}

/** Registries report a repository that does not exist as one that may not be pulled. */
const absences: ReadonlySet<string> = new Set(['ImageNotFound', 'RegistryForbidden']);

export function missingWarnings(missing: readonly MissingImage[]): string[] {
  return [...Map.groupBy(missing, ({ set }) => set)].map(([set, images]) => {
    const names = images.map(({ image }) => image).toSorted();
    const count = names.length === 1 ? '1 image is' : `${names.length} images are`;
    return `set ${set} (as of ${listOf(set).asOf}): ${count} at no source and left out: ${names.join(', ')}`;
  });
}
