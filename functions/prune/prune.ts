import { parseImageName, type Reference } from '../oci/reference.ts';
import { deleteManifest } from '../oci/manifests.ts';
import { repositoryOf } from '../run/images.ts';
import { changeInventory } from '../run/inventory.ts';
import { holdLock } from '../run/lock.ts';
import type { UnusedImage } from '../run/documents.ts';
import type { TaskRun } from '../task.ts';
import { overridesInUse } from '../run/overrides-in-use.ts';

/** Deletes the copies that the plan found unused, after Harness was switched and verified. */
export async function prune({ runId }: { runId: string }, { runtime, signal }: TaskRun): Promise<{ deleted: number }> {
  const documents = runtime.run(runId);
  const { unused } = await documents.plan.get();
  if (unused.length === 0) return { deleted: 0 };
  await holdLock(runId, runtime);
  // Once more, because the plan may be hours old.
  const inUse = new Set(await overridesInUse([], runtime, signal));
  const deleted: UnusedImage[] = [];
  for (const image of unused.filter(({ reference }) => !inUse.has(reference))) {
    const reference = parseImageName(image.reference) as Reference;
    const elsewhere = await runtime.repositories.deleteImages(reference.registry, reference.repository, [image.digest]);
    if (!elsewhere) await deleteManifest(repositoryOf(reference, runtime), image.digest, signal);
    deleted.push(image);
    await documents.pruned.put(deleted);
    await changeInventory(runtime.store, (inventory) => delete inventory[image.reference]);
  }
  return { deleted: deleted.length };
}
