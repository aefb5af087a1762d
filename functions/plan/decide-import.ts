import { formatReference, parseReference } from '../oci/spec/reference.ts';
import { holdBack } from '../overrides/pairs.ts';
import type { ScopeConfiguration } from '../overrides/scope-configuration.ts';
import type { Bundle } from '../bundle/open-bundle.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import type { RunSettings } from '../settings/run-settings.ts';
import { formatExtraImage } from '../settings/extra-image.ts';
import type { NeededImage } from '../state/documents.ts';
import { markUnnamed } from './extra-images.ts';
import { findAbsent, leftOut } from './absent-blobs.ts';
import { bundleIncomplete } from './bundle-incomplete.ts';
import { nameInBundle } from '../settings/bundle-names.ts';
import { planBundled } from './bundled-images.ts';
import { syncChanges } from './changes.ts';
import { type Decision, referencesAtOurs } from './decide.ts';
import { type Found, type ImagePlan, planCopies } from './images.ts';
import { checkTargetNames } from './limits.ts';
import { type SelectedField, selectFields, unlistedImages } from './selection.ts';
import { refuseUnmatched, unmatchedNames } from './unmatched.ts';
import { keepUnscannedTags } from './unscanned-tags.ts';

/**
 * Decides what an import does with the images of a bundle. A field is switched when the bundle holds the image that
 * Harness names for it. Any other field is left alone, with its counterpart, and its image is listed as needed.
 *
 * @throws {FactoryError} `BundleIncomplete`
 */
export async function decideImport(
  bundle: Bundle,
  settings: RunSettings,
  scopes: readonly ScopeConfiguration[],
  run: TaskRun & { runId: string },
): Promise<Decision> {
  const unmatched = refuseUnmatched(unmatchedNames(settings, scopes), settings.allowUnmatched);
  const { fields, warnings } = selectFields(scopes, settings);
  const keys = new Map(fields.map(({ image }) => [nameInBundle(image), formatReference(image)]));
  const references = bundle.document.images.map(({ image }) => parseReference(image));
  checkTargetNames(references, settings.registry);
  const found = await planBundled(bundle, { ...settings, keys }, run);
  const unscanned = settings.scan && (await keepUnscannedTags(found, referencesAtOurs(scopes, settings), run));
  const copies = await planWithAbsent(markUnnamed(found, fields), bundle, run);
  const nothing = { soaking: new Map(), heldTags: new Set<string>(), ripe: new Map() };
  const wanted = syncChanges(fields, scopes, { ...settings, ...nothing, unscanned });
  const carried = new Set(found.map(({ planned }) => planned.image));
  const isLacking = (image: string | undefined): image is string => image !== undefined && !carried.has(image);
  const { changes, held } = holdBack(wanted.changes, ({ image }) =>
    isLacking(image) ? `${image} is not in the bundle` : undefined,
  );
  const lacking = new Set(wanted.changes.flatMap(({ image }) => (isLacking(image) ? image : [])));
  const needed = neededBy(fields.filter(({ image }) => lacking.has(formatReference(image))));
  return {
    ...copies,
    changes,
    kept: [...wanted.kept, ...held],
    warnings: [...unmatched, ...warnings],
    ...(needed.length > 0 && { needed }),
  };
}

/** Plans the copies. What the bundle leaves out is mounted from the repositories of the registry that have it. */
async function planWithAbsent(
  found: readonly Found[],
  { document }: Bundle,
  run: TaskRun & { runId: string },
): Promise<ImagePlan> {
  const { holders, missing } = await findAbsent(found, document, run);
  if (missing.length > 0) throw await bundleIncomplete(missing, document, run);
  const { images, waves } = planCopies(found, leftOut(document));
  return {
    waves,
    images: images.map((planned) => {
      const held = holders.get(planned.image);
      if (planned.status !== 'copy' || !held) return planned;
      return { ...planned, mounts: new Map([...(planned.mounts ?? []), ...held]) };
    }),
  };
}

/** Lists every image that the fields of Harness and the input need, for a place that can reach their registries. */
export function decideNeeds(
  settings: RunSettings,
  scopes: readonly ScopeConfiguration[],
): Pick<Decision, 'needed' | 'warnings'> {
  const unmatched = refuseUnmatched(unmatchedNames(settings, scopes), settings.allowUnmatched);
  const { fields, warnings } = selectFields(scopes, settings);
  const ofFields = neededBy(fields);
  const named = new Set(ofFields.map(({ image }) => image));
  const others = [
    ...unlistedImages(fields, settings).map(formatReference),
    ...settings.extraImages.map(formatExtraImage),
  ].filter((image) => !named.has(image));
  return {
    needed: [...ofFields, ...[...new Set(others)].map((image) => ({ image, fields: [] }))],
    warnings: [...unmatched, ...warnings],
  };
}

/** Returns each image once, with all fields that need it. */
export function neededBy(fields: readonly SelectedField[]): NeededImage[] {
  const byImage = Map.groupBy(fields, ({ image }) => formatReference(image));
  return [...byImage]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([image, users]) => ({
      image,
      fields: users.map(({ module, infrastructureType, field }) => ({ module, infrastructureType, field })),
    }));
}
