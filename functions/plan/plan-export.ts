import { FactoryError, type Problem } from '../errors.ts';
import { formatPlatform } from '../oci/spec/platform.ts';
import { formatReference, type ImageName } from '../oci/spec/reference.ts';
import { readScope } from '../overrides/scope-configuration.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import type { RunSettings } from '../settings/run-settings.ts';
import { formatExtraImage } from '../settings/extra-image.ts';
import type { NeededImage, PlannedImage } from '../state/documents.ts';
import { nameInBundle } from '../settings/bundle-names.ts';
import { neededBy } from './decide-import.ts';
import { findExtras, missingWarnings, withoutMissing } from './extra-images.ts';
import { planCopies, planImages } from './images.ts';
import { platformSizes } from './platform-sizes.ts';
import type { PlanHead } from './plan-result.ts';
import { scopesOf } from './scopes.ts';
import { planNoCopies, type PlanResult } from './plan-result.ts';
import { selectFields, unlistedImages } from './selection.ts';
import { skippedSources } from './skipped-sources.ts';
import { refuseUnmatched, unmatchedNames, unmatchedPlatforms } from './unmatched.ts';

/**
 * Plans an export: finds every image that Harness or the input names at a source, and reads its manifests. Nothing is
 * written when an image cannot be found, because a bundle is complete.
 */
export async function planExport(
  head: PlanHead & { bundle: { address: string } },
  settings: RunSettings,
  run: TaskRun,
): Promise<PlanResult> {
  const { runtime } = run;
  const listed = settings.images ?? [];
  const extraImages = [...listed.map(({ image }) => image), ...settings.extraImages];
  const scopes =
    settings.images === undefined ? await Promise.all(scopesOf(settings).map((scope) => readScope(scope, run))) : [];
  const unmatched = unmatchedNames({ ...settings, extraImages }, scopes);
  const { fields, warnings } = selectFields(scopes, settings);
  const extras = await findExtras(settings, scopes, run);
  const official = [...fields.map(({ image }) => image), ...unlistedImages(fields, settings)];
  const names = inOneBundle([...official, ...extras.extras.map(({ image }) => image)]);
  const looked = await planImages(names, { ...settings, registry: undefined, read: true, expected: new Set() }, run);
  const chosen = extras.extras.filter(({ set }) => set === undefined).map(({ image }) => image);
  const required = new Set([...official, ...chosen].map(formatReference));
  const { found, missing } = withoutMissing(looked.found, extras, required);
  unmatched.push(...unmatchedPlatforms(settings.platforms, found));
  const needed = [
    ...neededBy(fields),
    ...listed.map(({ image, roles }) => ({ image: formatExtraImage(image), fields: roles })),
  ];
  const { images } = planCopies(found);
  const isWhole = images.every(({ status }) => status === 'copy');
  const bytes = images.reduce((sum, image) => sum + (image.status === 'copy' ? (image.uniqueSize ?? 0) : 0), 0);
  const plan = {
    ...head,
    images: images.map((planned) => withFields(planned, needed)),
    changes: [],
    kept: [],
    unused: [],
    warnings: [
      ...refuseUnmatched(unmatched, settings.allowUnmatched),
      ...warnings,
      ...extras.warnings,
      ...missingWarnings(missing),
      ...skippedSources(found, settings.sources),
      ...looked.warnings,
    ],
    policy: { platforms: settings.platforms.map(formatPlatform), pins: settings.pins },
    bundle: { ...head.bundle, bytes, platforms: platformSizes(found) },
    registries: runtime.takeCounts(),
  };
  return planNoCopies(plan, isWhole ? 'export' : 'report', runtime);
}

/** Adds the fields that need an image, under its own name or under the range that it was chosen for. */
function withFields(planned: PlannedImage, needed: readonly NeededImage[]): PlannedImage {
  const names = new Set([planned.image, planned.requested]);
  const fields = needed.filter(({ image }) => names.has(image)).flatMap((each) => each.fields);
  return fields.length === 0 ? planned : { ...planned, fields };
}

/** Returns each image once. Throws `InvalidInput` for two images of one name, of which a bundle can hold one. */
function inOneBundle(images: readonly ImageName[]): ImageName[] {
  const problems: Problem[] = [];
  const byName = new Map<string, ImageName>();
  for (const image of images) {
    const name = nameInBundle(image);
    const twin = byName.get(name);
    if (!twin) byName.set(name, image);
    else if (twin.digest !== image.digest)
      problems.push({
        path: '$.images',
        found: formatReference(image),
        allowed: `one image of the name ${name}: ${formatReference(twin)} has it too`,
      });
  }
  if (problems.length === 0) return [...byName.values()];
  throw new FactoryError(
    'InvalidInput',
    'images with different digests have one name, and a bundle holds one of them',
    {
      hint: 'Leave all but one out, or export the others to a bundle of their own.',
      problems,
    },
  );
}
