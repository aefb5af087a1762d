import { awaitedLater } from '../async/awaited-later.ts';
import { isSameScope } from '../harness/scope.ts';
import { formatReference, type ImageName } from '../oci/spec/reference.ts';
import { isOurs } from '../overrides/override.ts';
import type { ScopeConfiguration } from '../overrides/scope-configuration.ts';
import { checkWritePermission } from '../overrides/write-permission.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import { copiesImages } from '../settings/input-schema.ts';
import type { RunSettings } from '../settings/run-settings.ts';
import type { FieldChange, NeededImage, SoakingVersion } from '../state/documents.ts';
import { readInventory } from '../state/inventory.ts';
import { type Changes, resetChanges, syncChanges } from './changes.ts';
import { findExtras, markUnnamed, missingWarnings, withoutMissing } from './extra-images.ts';
import { type ImagePlan, planCopies, planImages } from './images.ts';
import { checkTargetNames } from './limits.ts';
import { leftConnectorWarnings } from './managed-connector.ts';
import { planRepairs } from './repairs.ts';
import { fieldFilter, selectFields, unlistedImages } from './selection.ts';
import { skippedSources } from './skipped-sources.ts';
import { holdTags, planSoak } from './soak.ts';
import { keepUnscannedTags } from './unscanned-tags.ts';
import { refuseUnmatched, unmatchedNames, unmatchedPlatforms } from './unmatched.ts';

/** The images and the changes of a run, by the configuration of Harness and by the registries. */
export type Decision = ImagePlan &
  Changes & {
    soaking?: SoakingVersion[];
    warnings: string[];
    /** The result of `checkPermission`, when it has been started already. */
    permission?: Promise<string[]>;
    /** The images of fields that a bundle lacks. */
    needed?: NeededImage[];
  };

function writesConfig({ action, modifyDefault }: RunSettings): boolean {
  return action === 'reset' || action === 'restore' || (copiesImages(action) && modifyDefault);
}

/** Checks that the key may write what the run writes. Returns warnings. */
export async function checkPermission(
  changes: readonly FieldChange[],
  settings: RunSettings,
  run: TaskRun,
): Promise<string[]> {
  return writesConfig(settings) && changes.length > 0 ? checkWritePermission(run) : [];
}

/** Decides what a run does with the images of Harness: `sync`, `plan`, `verify` and `reset`. */
export async function decide(
  settings: RunSettings,
  scopes: readonly ScopeConfiguration[],
  now: Date,
  run: TaskRun,
): Promise<Decision> {
  const unmatched = unmatchedNames(settings, scopes);
  if (settings.action === 'reset') {
    const changes = resetChanges(scopes, { ...settings, chosen: fieldFilter(settings) });
    const warnings = refuseUnmatched(unmatched, settings.allowUnmatched);
    warnings.push(...(await leftConnectorWarnings(settings, run.runtime)));
    return { images: [], waves: [], ...changes, warnings };
  }
  // Only the images show their platforms: when the input chooses some, report all problems together once the images are
  // read.
  if (settings.platforms.length === 0) refuseUnmatched(unmatched, settings.allowUnmatched);
  const { fields, warnings } = selectFields(scopes, settings);
  const extras = await findExtras(settings, scopes, run);
  const official = [...fields.map(({ image }) => image), ...unlistedImages(fields, settings)];
  const names = distinct([...official, ...extras.extras.map(({ image }) => image)]);
  checkTargetNames(names, settings.registry);
  const overridden = scopes.flatMap(({ overrides }) => Object.values(overrides));
  // Started during the lookup of the images. The result counts only if something is left to switch.
  const likely = syncChanges(fields, scopes, { ...settings, soaking: new Map(), heldTags: new Set(), ripe: new Map() });
  const permission = awaitedLater(checkPermission(likely.changes, settings, run));
  const inventory = await readInventory(run.runtime.store);
  const read = settings.action !== 'verify';
  const looked = await planImages(
    names,
    { ...settings, read, expected: new Set([...overridden, ...Object.keys(inventory)]) },
    run,
  );
  const chosen = extras.extras.filter(({ set }) => set === undefined).map(({ image }) => image);
  const required = new Set([...official, ...chosen].map(formatReference));
  const { found, missing } = withoutMissing(looked.found, extras, required);
  unmatched.push(...unmatchedPlatforms(settings.platforms, found));
  warnings.push(...refuseUnmatched(unmatched, settings.allowUnmatched));
  const soak = await planSoak(fields, found, { ...settings, read, inventory, now }, run);
  const heldTags = await holdTags(found, soak, settings.referrers, run);
  const named = referencesAtOurs(scopes, settings);
  const unscanned = settings.scan && read ? await keepUnscannedTags([...found, ...soak.found], named, run) : undefined;
  const changes = syncChanges(fields, scopes, { ...settings, ...soak, heldTags, unscanned });
  const switched = new Set(settings.modifyDefault ? changes.changes.flatMap(({ image }) => image ?? []) : []);
  const moved = new Set(soak.found.map(({ planned: { target } }) => formatReference(target)));
  const inUse = named.filter((reference) => !moved.has(reference));
  // Verify looks below every image itself, and lists the missing pieces among the differences.
  const repairs = read
    ? await planRepairs(found, { ...settings, now, switched, inUse, inventory }, run)
    : { held: [], warnings: [] };
  // A version that this run replaces need not be complete.
  const left = settings.modifyDefault ? changes.changes : [];
  const held = repairs.held.filter(
    ({ planned: { status, target } }) => status === 'copy' || isKept(formatReference(target), scopes, left),
  );
  return {
    ...planCopies([...markUnnamed(found, fields), ...soak.found, ...held]),
    ...changes,
    ...(soak.versions.length > 0 && { soaking: soak.versions }),
    warnings: [
      ...warnings,
      ...soak.warnings,
      ...extras.warnings,
      ...missingWarnings(missing),
      ...skippedSources(found, settings.sources),
      ...looked.warnings,
      ...repairs.warnings,
    ],
    permission,
  };
}

/** Returns whether an override still names the reference after the changes. */
function isKept(reference: string, scopes: readonly ScopeConfiguration[], changes: readonly FieldChange[]): boolean {
  return scopes.some((scope) =>
    Object.entries(scope.overrides).some(
      ([field, value]) =>
        value === reference && !changes.some((change) => change.field === field && isSameScope(change, scope)),
    ),
  );
}

/** Returns the references at our registry that overrides name, each once. */
export function referencesAtOurs(scopes: readonly ScopeConfiguration[], { registry }: RunSettings): string[] {
  const values = scopes.flatMap(({ overrides }) => Object.values(overrides));
  return [...new Set(values)].filter((value) => isOurs(value, registry));
}

/** Returns each image once, no matter how many fields use it. */
function distinct(images: readonly ImageName[]): ImageName[] {
  return [...new Map(images.map((image) => [formatReference(image), image])).values()];
}
