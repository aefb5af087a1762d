import { inParallel } from '../async/in-parallel.ts';
import { FactoryError } from '../errors.ts';
import type { Digest } from '../oci/spec/digest.ts';
import { loadImage } from '../oci/spec/image.ts';
import type { Manifest } from '../oci/spec/manifest.ts';
import { formatReference } from '../oci/spec/reference.ts';
import type { BundledImage, BundleDocument } from './document.ts';
import { type BundleOrder, type BundlePlan, type ImageToBundle, type Origin, readManifest } from './plan-bundle.ts';

const imagesInFlight = 16;

/**
 * Plans a bundle that was written before, by its document: finds what it lists at the sources. What they have besides,
 * such as newer signatures, is left out.
 *
 * @throws {FactoryError} `InvalidInput` when the sources have other content by now.
 */
export async function planAgain(
  document: BundleDocument,
  order: Pick<BundleOrder, 'images' | 'read' | 'signal'>,
): Promise<BundlePlan> {
  const byName = new Map(order.images.map((image) => [formatReference(image.name), image]));
  const manifests = new Map<Digest, Manifest>();
  const blobs = new Map<Digest, Origin>();
  const listed = new Set(document.blobs.map(([digest]) => digest));
  await inParallel(document.images, imagesInFlight, order.signal, async (bundled, each) => {
    const image = sourceOf(bundled, byName);
    const manifest = (digest: Digest) => readManifest(order, image, digest, each);
    const referrers = new Set(bundled.referrers.map(({ digest }) => digest));
    const roots = [image.root, ...(await Promise.all([...referrers].map(manifest)))];
    for (const root of roots) {
      const part = await loadImage(root, manifest);
      for (const found of part.manifests) manifests.set(found.digest, found);
      for (const blob of part.blobs.filter(({ digest }) => listed.has(digest)))
        blobs.set(blob.digest, blobs.get(blob.digest) ?? { blob, sources: image.sources });
    }
  });
  // An artifact may have the manifest of another as a layer.
  for (const digest of manifests.keys()) blobs.delete(digest);
  const lost = document.blobs.find(([digest]) => !manifests.has(digest) && !blobs.has(digest));
  if (lost) throw changed(`no source has ${lost[0]} of the bundle`);
  return { document, manifests, blobs };
}

function sourceOf({ image, digest }: BundledImage, byName: ReadonlyMap<string, ImageToBundle>): ImageToBundle {
  const found = byName.get(image);
  if (found?.root.digest === digest) return found;
  throw changed(`${image} is ${found?.root.digest ?? 'absent'} at the sources, and ${digest} in the bundle`);
}

function changed(what: string): FactoryError {
  return new FactoryError('InvalidInput', what, {
    hint: 'Carry the part from the other side again, or export the bundle again: this part can no longer be made.',
  });
}
