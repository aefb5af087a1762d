import { FactoryError, type Problem } from '../errors.ts';
import { type ImageName, lastComponent } from '../oci/spec/reference.ts';
import { formatPlatform, type Platform, platformMatches } from '../oci/spec/platform.ts';
import { globMatcher } from '../text/glob.ts';
import type { ProtectiveEntry, RunSettings } from '../settings/run-settings.ts';
import { imagesOfSets, isMoving } from '../settings/extra-sets.ts';
import { namesOfImage } from '../settings/secured-names.ts';
import { setOf } from '../settings/field-sets.ts';
import { parseOverride } from '../overrides/override.ts';
import { nearest } from '../text/nearest.ts';
import type { Found } from './images.ts';
import type { ScopeConfiguration } from '../overrides/scope-configuration.ts';

/** Names that one problem suggests. */
const suggestions = 3;
/** Names that one entry is compared with: more than any account has. */
const comparedNames = 500;

type Settings = Pick<RunSettings, 'action' | 'protective' | 'extraImages' | 'extraSets'>;

/**
 * Returns a problem for every pin, glob and set that matches nothing. Compares with all fields of these scopes and their
 * images, selected or not; pins and `scan_allow` also with extra images. A reset ignores pins and `scan_allow`.
 */
export function unmatchedNames(
  { action, protective, extraImages, extraSets }: Settings,
  scopes: readonly ScopeConfiguration[],
): Problem[] {
  const fields = new Set(
    scopes.flatMap(({ defaults, overrides }) => [...Object.keys(defaults), ...Object.keys(overrides)]),
  );
  const defaults = scopes.flatMap(({ defaults: of }) => Object.values(of));
  const repositories = defaults.flatMap((value) => parseOverride(value)?.repository ?? []);
  const images = new Set(repositories.flatMap(namesOfImage));
  const unversioned = extraImages.filter(
    ({ tag, digest, range }) => tag === undefined && digest === undefined && range === undefined,
  );
  const listed = imagesOfSets(extraSets).map(({ image }) => image);
  const names = (some: readonly ImageName[]) => new Set(some.flatMap(({ repository }) => namesOfImage(repository)));
  const known: Record<ProtectiveEntry['kind'], Set<string>> = {
    pin: images.union(names([...unversioned, ...listed.filter(isMoving)])),
    field: fields.union(images),
    exclude: fields.union(images).union(names(listed)),
    scan: images.union(names([...extraImages, ...listed])),
    set: new Set([...fields].flatMap((field) => setOf(field) ?? [])),
  };
  return protective
    .filter(({ kind }) => action !== 'reset' || kind === 'field' || kind === 'exclude' || kind === 'set')
    .filter(({ kind, name }) => {
      const matches = kind === 'pin' ? (candidate: string) => candidate === name : globMatcher([withoutTag(name)]);
      return ![...known[kind]].some((candidate) => matches(candidate));
    })
    .map(({ path, found, kind, name }) => ({ path, found, allowed: allowedIn(kind, name, [...known[kind]]) }));
}

/** Removes the version from a glob of `scan_allow`: versions come and go. */
function withoutTag(glob: string): string {
  return glob.includes('/') ? glob.replace(/:[^/]*$/, '') : glob;
}

function allowedIn(kind: ProtectiveEntry['kind'], name: string, known: readonly string[]): string {
  const what = {
    pin: 'an image',
    field: 'a field or an image',
    exclude: 'a field or an image',
    scan: 'an image',
    set: 'a set with fields',
  }[kind];
  const near = kind === 'set' ? known : similar(name, known);
  const list = near.length > 0 ? `, such as ${near.join(', ')}` : '';
  return `${what} of these modules and infrastructure types${list}`;
}

/** Returns names that are spelled like `name`, or whose last component is: people copy names with another prefix. */
function similar(name: string, known: readonly string[]): string[] {
  const some = known.slice(0, comparedNames);
  const ends = new Set(nearest(lastComponent(name), some.map(lastComponent), suggestions));
  const names = [...nearest(name, some, suggestions), ...some.filter((each) => ends.has(lastComponent(each)))];
  return [...new Set(names)].slice(0, suggestions);
}

/**
 * Returns a problem for every platform that no image has. Images without an index offer no choice. Returns no problem
 * while the platforms of some image are unknown.
 */
export function unmatchedPlatforms(platforms: readonly Platform[], found: readonly Pick<Found, 'offers'>[]): Problem[] {
  const indexes = found.map(({ offers }) => offers).filter((offers) => offers !== 'single');
  if (indexes.length === 0 || indexes.includes(undefined)) return [];
  const offered = indexes.flatMap((offers) => offers ?? []);
  const names = [...new Set(offered.map(formatPlatform))];
  return platforms.flatMap((wanted, index): Problem[] => {
    if (offered.some((each) => platformMatches(wanted, each))) return [];
    const name = formatPlatform(wanted);
    const near = similar(name, names);
    const list = near.length > 0 ? `, such as ${near.join(', ')}` : '';
    return [
      { path: `$.platforms[${index}]`, found: JSON.stringify(name), allowed: `a platform of a selected image${list}` },
    ];
  });
}

/** Returns the problems as warnings where `allowed`; else throws `InvalidInput` with all of them. */
export function refuseUnmatched(problems: readonly Problem[], allowed: boolean): string[] {
  if (allowed)
    return problems.map(
      ({ path, found, allowed: expected }) => `${path}: ${found} matches nothing; expected ${expected}`,
    );
  if (problems.length === 0) return [];
  const count = `${problems.length} ${problems.length === 1 ? 'entry' : 'entries'}`;
  throw new FactoryError('InvalidInput', `${count} of the execution input would protect nothing`, {
    hint: 'Correct the names, or set allow_unmatched: true where several accounts share one input.',
    problems: [...problems],
  });
}
