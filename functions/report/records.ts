import { builtPlace, isPresent, placeOf } from '../images/images.ts';
import { formatReference } from '../oci/spec/reference.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { CopyResult, PlannedImage } from '../state/documents.ts';
import { changeInventory } from '../state/inventory.ts';
import { type Look, noteLooks } from '../state/looks.ts';

/** Records the copies that the factory owns. A later prune deletes no other images. */
export function recordInventory(
  copies: readonly PlannedImage[],
  results: readonly (CopyResult | undefined)[],
  { store }: Runtime,
): Promise<void> {
  return changeInventory(store, (inventory) => {
    copies.forEach((planned, index) => {
      const target = formatReference(placeOf(planned, results[index]));
      const digest = results[index]?.digest ?? planned.digest;
      // An image that was present may belong to somebody else, unless an earlier run copied it.
      const isCopied = results[index]?.status === 'copied' && !isPresent(planned);
      const ours = isCopied || Object.hasOwn(inventory, target);
      const there = planned.status === 'current' || (results[index] && results[index].status !== 'failed');
      if (ours && there && digest) inventory[target] = digest;
      // The second tag of a build, which would keep its image from a prune.
      const isBuilt = isCopied && planned.status === 'copy' && planned.digest === undefined;
      if (isBuilt && digest) inventory[formatReference(builtPlace(planned))] = digest;
    });
  });
}

/** Records the images that the run copied as complete. The next run does not check them again. */
export function recordLooks(
  copies: readonly PlannedImage[],
  results: readonly (CopyResult | undefined)[],
  { store }: Runtime,
): Promise<void> {
  const looks = copies.flatMap((planned, index): Look[] => {
    const { status, digest = planned.digest } = results[index] ?? {};
    const isCopied = status === 'copied' || status === 'repaired';
    const reference = formatReference(placeOf(planned, results[index]));
    return isCopied && digest !== undefined ? [{ reference, digest, whole: true }] : [];
  });
  return noteLooks(store, looks, new Date());
}
