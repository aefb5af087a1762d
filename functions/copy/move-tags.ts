import { inParallel } from '../async/in-parallel.ts';
import { FactoryError } from '../errors.ts';
import { getManifest, putManifest } from '../oci/registry/manifests.ts';
import { formatReference } from '../oci/spec/reference.ts';
import { sumCounts } from '../runtime/registry-counts.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import type { CopyResult, PlannedImage } from '../state/documents.ts';
import { checkArrival } from './arrival.ts';

export interface MoveTagsEvent {
  runId: string;
  /** The images that get their tag: indexes into the plan's images. */
  tags: readonly number[];
}

const tagsInFlight = 8; // Survives mutation: the number of parallel requests decides the speed alone.

/**
 * Moves tags to images that were copied under their digest and passed their scan. A tag that cannot be moved is a
 * warning: it keeps its image, and the next run tries again.
 */
export async function moveTags(
  { runId, tags }: MoveTagsEvent,
  { runtime, signal }: TaskRun,
): Promise<{ status: 'copied'; waitSeconds: 0 }> {
  const plan = await runtime.plan(runId);
  await runtime.lock.renew(runId);
  // The copies have ended, so that no other process pushes manifests.
  runtime.registry(plan.registry.registry).shareOf(1);
  await inParallel(tags, tagsInFlight, signal, async (index, each) => {
    const document = runtime.run(runId).copyResult(index);
    const [planned, result] = [plan.images[index], await document.get()];
    if (!planned) throw new RangeError(`the plan of run ${runId} has no image ${index}`);
    // An earlier attempt of this task moved it.
    if (result.tagged) return;
    const moved = await move(planned, result, { runtime, signal: each });
    const registries = sumCounts([...(result.registries ?? []), ...runtime.takeCounts()]);
    await document.put({ ...result, ...moved, registries });
  });
  return { status: 'copied', waitSeconds: 0 };
}

async function move(
  { target, digest: official }: PlannedImage,
  { digest = official, warnings = [] }: CopyResult,
  { runtime, signal }: TaskRun,
): Promise<Pick<CopyResult, 'tagged' | 'warnings'>> {
  const { tag } = target;
  if (tag === undefined || digest === undefined) throw new RangeError(`${formatReference(target)} has no tag to move`);
  const repository = runtime.repository(target);
  try {
    const root = await runtime.manifests.through(digest, () => getManifest(repository, digest, signal));
    await putManifest(repository, tag, root, signal);
    await checkArrival(repository, target, digest, signal);
    return { tagged: true };
  } catch (error) {
    signal?.throwIfAborted();
    const { message } = FactoryError.from(error);
    return { warnings: [`the tag could not be moved to ${digest}, which passed its scan: ${message}`, ...warnings] };
  }
}
