import picomatch from 'picomatch';
import type { ConfigScope } from '../harness/scope.ts';
import { type Digest, isDigest } from '../oci/digest.ts';
import { type ImageName, parseImageName } from '../oci/reference.ts';

/** What Harness says about one scope. */
export interface ScopeConfiguration extends ConfigScope {
  /** Field → official image. */
  defaults: Record<string, string>;
  /** Field → image that the account uses instead. */
  overrides: Record<string, string>;
}

/** A field whose image is kept at the registry. */
export interface SelectedField extends ConfigScope {
  field: string;
  /** The official image, after pins. */
  image: ImageName;
  /** The account's override, if any. */
  override: string | undefined;
}

export interface SelectionSettings {
  includeWindowsRootless: boolean;
  includeFields: readonly string[];
  excludeFields: readonly string[];
  pins: Readonly<Record<string, string>>;
}

export interface Selection {
  fields: SelectedField[];
  warnings: string[];
}

/**
 * Used only by pods on Windows, behind a feature flag of Harness's; Linux never reads them. Their images are larger by
 * an order of magnitude.
 */
const windowsRootlessFields = new Set(['addonTagRootless', 'liteEngineTagRootless']);

/** Which fields a run is about, and which image each of them shall have. */
export function selectFields(scopes: readonly ScopeConfiguration[], settings: SelectionSettings): Selection {
  const chosen = fieldFilter(settings);
  const warnings: string[] = [];
  const fields: SelectedField[] = [];
  const pinned = new Set<string>();
  for (const { module, infrastructureType, defaults, overrides } of scopes) {
    for (const [field, value] of Object.entries(defaults)) {
      if (value === '' || (windowsRootlessFields.has(field) && !settings.includeWindowsRootless)) continue;
      const image = parseOfficial(value);
      if (!image) {
        warnings.push(
          `${module} ${infrastructureType} ${field}: Harness's default ${JSON.stringify(value)} is not an image name; left alone`,
        );
        continue;
      }
      if (!chosen(field, image.repository)) continue;
      const pin = settings.pins[image.repository];
      if (pin !== undefined) pinned.add(image.repository);
      fields.push({
        module,
        infrastructureType,
        field,
        image: pin === undefined ? image : applyPin(image, pin),
        override: overrides[field],
      });
    }
  }
  for (const name of Object.keys(settings.pins).filter((name) => !pinned.has(name))) {
    warnings.push(`the pin of ${name} holds nothing: no selected field uses that image`);
  }
  return { fields, warnings };
}

/** Whether a field is chosen by the globs, which may speak of fields (`buildAndPush*`) or images (`plugins/*`). */
export function fieldFilter({
  includeFields,
  excludeFields,
}: Pick<SelectionSettings, 'includeFields' | 'excludeFields'>) {
  const included = includeFields.length > 0 ? picomatch([...includeFields]) : () => true;
  const excluded = excludeFields.length > 0 ? picomatch([...excludeFields]) : () => false;
  return (field: string, repository: string | undefined): boolean => {
    const names = repository === undefined ? [field] : [field, repository];
    return names.some((name) => included(name)) && !names.some((name) => excluded(name));
  };
}

/**
 * Images that Harness uses without a field. On Windows without the rootless feature flag it strips `-rootless` from the
 * tag of the git clone image, so that variant must be at the registry as well.
 */
export function unlistedImages(fields: readonly SelectedField[], settings: SelectionSettings): ImageName[] {
  if (!settings.includeWindowsRootless) return [];
  return fields.flatMap(({ field, image }) => {
    if (field !== 'gitCloneTag' || !image.tag?.endsWith('-rootless')) return [];
    return [{ ...image, tag: image.tag.slice(0, -'-rootless'.length) }];
  });
}

function parseOfficial(value: string): ImageName | undefined {
  try {
    const image = parseImageName(value);
    return image.tag === undefined && image.digest === undefined ? { ...image, tag: 'latest' } : image;
  } catch {
    return undefined;
  }
}

/** A pin names a version; the variant stays that of the field: `rootless-…` (addon) or `…-rootless` (git clone, cache). */
function applyPin(image: ImageName, pin: string): ImageName {
  if (isDigest(pin)) return { ...image, tag: undefined, digest: pin as Digest };
  const prefix = image.tag?.startsWith('rootless-') && !pin.startsWith('rootless-') ? 'rootless-' : '';
  const suffix = image.tag?.endsWith('-rootless') && !pin.endsWith('-rootless') ? '-rootless' : '';
  return { ...image, tag: `${prefix}${pin}${suffix}`, digest: undefined };
}
