import { inParallel } from '../async/in-parallel.ts';
import { formatReference } from '../oci/spec/reference.ts';
import { resolveTag } from '../oci/registry/manifests.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import type { Found } from './images.ts';

const lookupsInFlight = 16; // Survives mutation: the number of parallel requests decides the speed alone.

/**
 * Keeps tags at the target that have another image, or that an override names (`inUse`): something would pull the new
 * image before its scan. Such an image is copied under its digest alone, and gets its tag when it has passed. Changes
 * `found` accordingly; returns the images.
 */
export async function keepUnscannedTags(
  found: readonly Found[],
  inUse: readonly string[],
  { runtime, signal }: TaskRun,
): Promise<Set<string>> {
  const waiting = new Set<string>();
  await inParallel(found, lookupsInFlight, signal, async (image, lookup) => {
    const { planned } = image;
    const { target, digest } = planned;
    if (planned.status !== 'copy' || planned.present || target.tag === undefined) return;
    const served = await resolveTag(runtime.repository(target), target.tag, { signal: lookup });
    if (served === undefined ? !inUse.includes(formatReference(target)) : served === digest) return;
    waiting.add(planned.image);
    image.planned = { ...planned, afterScan: true };
  });
  return waiting;
}
