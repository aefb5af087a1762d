import { blobPath, type Layout } from '../oci/layout/layout.ts';
import { layoutInvalid } from '../oci/layout/layout-files.ts';
import type { Digest } from '../oci/spec/digest.ts';
import { loadImage } from '../oci/spec/image.ts';
import { formatPlatform } from '../oci/spec/platform.ts';
import { formatReference } from '../oci/spec/reference.ts';
import { bundleDocument, type BundleDocument } from './document.ts';

/**
 * Describes an image layout that another tool wrote as a bundle. Takes the images that have full references: the others
 * do not say where they belong.
 *
 * @throws {FactoryError} `BundleInvalid` when no image has one, or when blobs are missing.
 */
export async function documentOfLayout(layout: Layout, signal?: AbortSignal): Promise<BundleDocument> {
  const { files } = layout;
  const blobs = new Map<Digest, number>();
  const absent = new Map<Digest, number>();
  const images = new Map<string, BundleDocument['images'][number]>();
  for (const { reference, descriptor } of layout.images) {
    if (reference === undefined || (reference.tag ?? reference.digest) === undefined) continue;
    const {
      root,
      manifests,
      blobs: parts,
    } = await loadImage(await layout.manifest(descriptor.digest, signal), (digest) => layout.manifest(digest, signal));
    for (const { digest, bytes } of manifests) blobs.set(digest, bytes.length);
    for (const { digest, size } of parts)
      ((await files.size(blobPath(digest))) === undefined ? absent : blobs).set(digest, size);
    const platforms = root.manifests.flatMap(({ platform }) => platform ?? []).filter(({ os }) => os !== 'unknown');
    const image = formatReference(reference);
    if (images.has(image) && images.get(image)?.digest !== root.digest)
      throw layoutInvalid(files.placeOf('index.json'), `it has several images with the name ${image}`);
    images.set(image, {
      image,
      digest: root.digest,
      mediaType: root.mediaType,
      source: reference.registry,
      platforms: [...new Set(platforms.map(formatPlatform))].toSorted(),
      roles: [],
      referrers: [],
    });
  }
  if (images.size === 0) {
    throw layoutInvalid(
      files.placeOf('index.json'),
      'no image in it has a full reference (host/repository:tag) as its name',
    );
  }
  return bundleDocument({
    createdAt: new Date(0).toISOString(),
    factory: '',
    images: [...images.values()].toSorted((a, b) => (a.image < b.image ? -1 : 1)),
    // No offsets: nothing is read by them.
    blobs: [...blobs].map(([digest, size]) => [digest, size, 0]),
    base: [],
    // A layout may lack blobs that its reader has (image-layout.md, "Blobs").
    absent: [...absent].map(([digest, size]) => ({ digest, size, reason: 'base' })),
    policy: { platforms: [], referrers: 'off', pins: {} },
  });
}
