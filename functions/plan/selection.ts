import type { ScopeConfiguration } from '../overrides/scope-configuration.ts';
import { FactoryError } from '../errors.ts';
import type { ConfigScope } from '../harness/scope.ts';
import { isWindowsOnly } from '../harness/windows-fields.ts';
import { isDigest } from '../oci/spec/digest.ts';
import { type ImageName, maxTextLength, parseImageName } from '../oci/spec/reference.ts';
import { type FieldSet, setOf } from '../settings/field-sets.ts';
import { namesOfImage, saasName } from '../settings/secured-names.ts';
import { globMatcher } from '../text/glob.ts';
import { printable } from '../text/printable.ts';
import { own } from '../text/own.ts';
import { TextSyntaxError } from '../text/text-syntax-error.ts';

/** A field whose image the factory keeps at the registry. */
export interface SelectedField extends ConfigScope {
  field: string;
  /** The official image, after pins. */
  image: ImageName;
  /** Set when a pin chose the version of the image. */
  pinned?: true;
  override: string | undefined;
}

export interface SelectionSettings {
  includeWindowsRootless: boolean;
  includeSets: readonly FieldSet[];
  includeFields: readonly string[];
  excludeFields: readonly string[];
  pins: Readonly<Record<string, string>>;
}

export interface Selection {
  fields: SelectedField[];
  warnings: string[];
}

/** Selects fields, and the image of each. Throws `InvalidInput` when one pinned digest would replace variants. */
export function selectFields(scopes: readonly ScopeConfiguration[], settings: SelectionSettings): Selection {
  const chosen = fieldFilter(settings);
  const warnings: string[] = [];
  const fields: SelectedField[] = [];
  /** Official tags by pinned image. */
  const pinned = new Map<string, Set<string | undefined>>();
  const known = new Set<string>();
  const unlisted = new Set<string>();
  for (const { module, infrastructureType, defaults, overrides } of scopes) {
    for (const [field, value] of Object.entries(defaults)) {
      if (field.length > maxTextLength) {
        warnings.push(
          `${module} ${infrastructureType}: a field whose name has ${field.length} characters is left alone`,
        );
        continue;
      }
      if (value === '' || (isWindowsOnly(field) && !settings.includeWindowsRootless)) continue;
      const official = parseOfficial(value);
      if (official instanceof TextSyntaxError) {
        warnings.push(
          `${module} ${infrastructureType} ${field}: Harness's default ${JSON.stringify(printable(value))} is not an image name (${official.message}); left alone`,
        );
        continue;
      }
      const name = saasName(official.repository);
      known.add(name);
      const pin = own(settings.pins, name);
      const image = pin === undefined ? official : applyPin(official, pin);
      if (!chosen(field, image)) {
        if (settings.includeSets.length > 0 && setOf(field) === undefined) unlisted.add(field);
        continue;
      }
      if (pin !== undefined) pinned.set(name, (pinned.get(name) ?? new Set()).add(official.tag));
      fields.push({
        module,
        infrastructureType,
        field,
        image,
        ...(pin !== undefined && { pinned: true }),
        override: own(overrides, field),
      });
    }
  }
  for (const [name, pin] of Object.entries(settings.pins)) {
    const tags = pinned.get(name);
    if (!tags && known.has(name)) warnings.push(`the pin of ${name} has no effect: no selected field uses that image`);
    if (tags && isDigest(pin) && new Set([...tags].map(variantOf)).size > 1) throw ambiguousPin(name, pin, [...tags]);
  }
  if (unlisted.size > 0) warnings.push(unlistedWarning([...unlisted]));
  return { fields, warnings };
}

/** Returns the warning on fields that no set of `include_sets` can choose. */
function unlistedWarning(fields: readonly string[]): string {
  const [is, they] = fields.length === 1 ? ['field is', 'it'] : ['fields are', 'them'];
  return `${fields.length} ${is} in no set and left out: ${fields.join(', ')}; include_fields can add ${they}`;
}

/**
 * Returns a filter for fields by globs. A glob names fields (`buildAndPush*`) or images (`plugins/*`), by either of the
 * names that SaaS and the self-managed platform have. A glob with a tag names one version: `plugins/cache:1.10.12`.
 */
export function fieldFilter({
  includeFields,
  excludeFields,
}: Pick<SelectionSettings, 'includeFields' | 'excludeFields'>) {
  const included = includeFields.length > 0 ? matcherOf(includeFields) : () => true;
  const excluded = matcherOf(excludeFields);
  return (field: string, image: Pick<ImageName, 'repository' | 'tag'> | undefined): boolean => {
    const names = image === undefined ? [] : namesOfImage(image.repository);
    const versions = image?.tag === undefined ? [] : names.map((name) => `${name}:${image.tag}`);
    return included([field, ...names], versions) && !excluded([field, ...names], versions);
  };
}

/** Returns a test for the names of a field, and for its image with the tag, which only globs with a tag match. */
function matcherOf(globs: readonly string[]): (names: readonly string[], versions: readonly string[]) => boolean {
  const matches = globMatcher(globs);
  const matchesVersion = globMatcher(globs.filter((glob) => glob.includes(':')));
  return (names, versions) => names.some(matches) || versions.some(matchesVersion);
}

/**
 * Returns images that Harness uses without a field. On Windows without the rootless feature flag it strips `-rootless`
 * from the tag of the git clone image, so the registry must hold that variant as well.
 */
export function unlistedImages(fields: readonly SelectedField[], settings: SelectionSettings): ImageName[] {
  if (!settings.includeWindowsRootless) return [];
  return fields.flatMap(({ field, image }) => {
    if (field !== 'gitCloneTag' || !image.tag?.endsWith('-rootless')) return [];
    return [{ ...image, tag: image.tag.slice(0, -'-rootless'.length) }];
  });
}

function parseOfficial(value: string): ImageName | TextSyntaxError {
  try {
    const image = parseImageName(value);
    return image.tag === undefined && image.digest === undefined ? { ...image, tag: 'latest' } : image;
  } catch (error) {
    if (error instanceof TextSyntaxError) return error;
    throw error;
  }
}

/** Replaces the version of an image by the pinned one. The variant stays that of the field. */
function applyPin(image: ImageName, pin: string): ImageName {
  if (isDigest(pin)) return { ...image, tag: undefined, digest: pin };
  const version = pin.replace(variant, '');
  const tags = { prefix: `rootless-${version}`, suffix: `${version}-rootless`, none: version };
  return { ...image, tag: tags[variantOf(image.tag)], digest: undefined };
}

/** Rootless images are tagged `rootless-…` (addon, lite engine) or `…-rootless` (git clone, cache). */
const variant = /^rootless-|-rootless$/;

function variantOf(tag = ''): 'prefix' | 'suffix' | 'none' {
  if (tag.startsWith('rootless-')) return 'prefix';
  return tag.endsWith('-rootless') ? 'suffix' : 'none';
}

function ambiguousPin(name: string, pin: string, tags: readonly (string | undefined)[]): FactoryError {
  const allowed = `a tag: fields use several variants of this image (${tags.join(', ')}), and a digest identifies only one of them`;
  return new FactoryError('InvalidInput', `the digest pinned for ${name} cannot replace all its variants`, {
    hint: 'Pin a tag, or leave the fields of the other variants out with exclude_fields.',
    problems: [{ path: `$.pins[${JSON.stringify(name)}]`, found: pin, allowed }],
  });
}
