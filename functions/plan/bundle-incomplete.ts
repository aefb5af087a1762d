import type { BundleDocument } from '../bundle/document.ts';
import { FactoryError } from '../errors.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import { needsSchema } from '../settings/needs.ts';
import { imageRole } from '../settings/listed-image.ts';
import type { Missing } from './absent-blobs.ts';
import { nameAtSource } from '../settings/bundle-names.ts';

const shownDigests = 5;

/**
 * Stores `needs.json` with what neither the bundle nor the registry has, and returns the error. Nothing was written yet.
 * An export of these images is a bundle that needs no other.
 */
export async function bundleIncomplete(
  missing: Missing,
  { images, policy }: BundleDocument,
  { runtime, runId }: Pick<TaskRun, 'runtime'> & { runId: string },
): Promise<FactoryError> {
  const digests = [...new Set(missing.flatMap((each) => each.digests))].toSorted();
  const document = runtime.run(runId).needs;
  const lacking = new Set(missing.map(({ image }) => image));
  await document.put({
    schema: needsSchema,
    images: images
      .filter(({ image }) => lacking.has(image))
      .map((bundled) => ({
        image: nameAtSource(bundled, policy),
        roles: bundled.roles.flatMap((role) => imageRole.safeParse(role).data ?? []),
      })),
    ...(policy.platforms.length > 0 && { platforms: policy.platforms }),
    absent: digests,
  });
  const shown = digests.slice(0, shownDigests).join(', ') + (digests.length > shownDigests ? ', …' : '');
  return new FactoryError(
    'BundleIncomplete',
    `the bundle leaves out ${digests.length} blobs that the registry does not have, of ${missing.length} images: ${shown}`,
    {
      hint: `Nothing was changed. Carry ${document.location} back, and export what is missing: "factory export --images needs.json --to PATCH.tar". Import that first.`,
    },
  );
}
