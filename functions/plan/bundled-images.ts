import { inParallel } from '../async/in-parallel.ts';
import type { BundledImage, BundleDocument } from '../bundle/document.ts';
import { FactoryError } from '../errors.ts';
import { manifestReader } from '../images/images.ts';
import { Wholeness } from '../images/wholeness.ts';
import { isDigest } from '../oci/spec/digest.ts';
import { loadImage } from '../oci/spec/image.ts';
import {
  formatReference,
  parseReference,
  type RegistryLocation,
  relocate,
  tagOrDigest,
} from '../oci/spec/reference.ts';
import type { Bundle } from '../bundle/open-bundle.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import type { PlannedImage } from '../state/documents.ts';
import { usualName } from '../settings/bundle-names.ts';
import type { Found } from './images.ts';

const lookupsInFlight = 16;

/**
 * Compares the images of a bundle with the registry, down to their blobs: what an image there lacks is copied from the
 * bundle. `keys` holds the names that fields have for them.
 *
 * @throws {FactoryError} `BundleInvalid` when two images would be stored in the same place.
 */
export async function planBundled(
  bundle: Bundle,
  { registry, keys }: { registry: RegistryLocation; keys: ReadonlyMap<string, string> },
  { runtime, signal }: TaskRun,
): Promise<Found[]> {
  const { images } = bundle.document;
  refuseTwins(bundle.document, registry);
  const found: Found[] = [];
  const wholeness = new Wholeness(runtime);
  await inParallel([...images.entries()], lookupsInFlight, signal, async ([index, bundled], lookup) => {
    found[index] = await planOne(bundled, lookup);
  });
  return found;

  async function planOne({ image, digest, referrers }: BundledImage, lookup: AbortSignal): Promise<Found> {
    if (!isDigest(digest)) throw new TypeError(`${image} has no digest`);
    const reference = parseReference(image);
    const name = usualName(reference);
    const target = relocate(name, registry);
    const source = bundle.source(image);
    const repository = runtime.repository(target);
    const read = manifestReader(source, { runtime, signal: lookup });
    const [served, loaded] = await Promise.all([
      repository.digestOf(tagOrDigest(target), { signal: lookup }),
      read(digest).then((root) => loadImage(root, read)),
    ]);
    const key = formatReference(name);
    const isThere = served === digest;
    const row = { image: keys.get(image) ?? key, target, source: reference, sourceDigest: digest, digest };
    const missing = isThere ? await wholeness.missing({ repository, digest }, { signal: lookup }) : [];
    if (missing.length > 0) return { planned: { ...row, status: 'copy', missing: [...missing] }, image: loaded };
    const planned: PlannedImage =
      isThere && referrers.length === 0
        ? { ...row, status: 'current' }
        : // Its referrers may not be there: the copy task looks for them, and copies nothing else.
          { ...row, status: 'copy', ...(isThere && { present: true as const }) };
    return { planned, image: loaded };
  }
}

function refuseTwins({ images }: BundleDocument, registry: RegistryLocation): void {
  const targets = new Map<string, string>();
  for (const { image } of images) {
    const target = formatReference(relocate(usualName(parseReference(image)), registry));
    const twin = targets.get(target);
    if (twin !== undefined)
      throw new FactoryError('BundleInvalid', `${twin} and ${image} of the bundle would both be stored as ${target}`, {
        hint: 'Export them in two bundles, and import each to a prefix of its own.',
      });
    targets.set(target, image);
  }
}
