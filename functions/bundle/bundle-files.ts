import { blobPath, layoutVersion, nameAnnotations } from '../oci/layout/layout.ts';
import { type PlannedTar, planTar } from '../oci/layout/tar-plan.ts';
import type { Digest } from '../oci/spec/digest.ts';
import { mediaTypes } from '../oci/spec/media-type.ts';
import { type BundleDocument, encodeDocument } from './document.ts';

/** The files of a bundle that follow from its document, in the order of the tar. The blobs come after them. */
export function bundleFiles(document: BundleDocument): ReadonlyMap<string, Buffer> {
  return new Map([
    ['oci-layout', Buffer.from(layoutVersion)],
    ['index.json', encodeIndex(document)],
    ['bundle.json', encodeDocument(document)],
  ]);
}

/** Plans the tar of a bundle to the byte. */
export function planBundleTar(document: BundleDocument): PlannedTar {
  const files = [...bundleFiles(document)].map(([name, { length: size }]) => ({ name, size }));
  return planTar([...files, ...document.blobs.map(([digest, size]) => ({ name: blobPath(digest), size }))]);
}

/** Returns blobs with their offsets, which count from the end of the entry `bundle.json`. */
export function withOffsets(blobs: readonly (readonly [Digest, number])[]): BundleDocument['blobs'] {
  const { entries } = planTar(blobs.map(([digest, size]) => ({ name: blobPath(digest), size })));
  return blobs.map(([digest, size], index) => [digest, size, entries[index]?.content ?? 0]);
}

/** Lists the images under their full references, and what refers to them as other tools find it. */
function encodeIndex({ images, blobs }: BundleDocument): Buffer {
  const sizes = new Map(blobs.map(([digest, size]) => [digest, size]));
  const describe = (mediaType: string, digest: Digest) => ({ mediaType, digest, size: sizes.get(digest) ?? 0 });
  const manifests = images.map(({ image, digest, mediaType }) => ({
    ...describe(mediaType, digest),
    annotations: Object.fromEntries(nameAnnotations.map((key) => [key, image])),
  }));
  const referrers = new Map(
    images.flatMap((image) =>
      image.referrers.map(({ digest, mediaType, artifactType, tag }) => [
        tag ?? digest,
        {
          ...describe(mediaType, digest),
          ...(artifactType !== undefined && { artifactType }),
          ...(tag !== undefined && { annotations: { [nameAnnotations[0]]: tag } }),
        },
      ]),
    ),
  );
  const sorted = [...referrers].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
  const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [...manifests, ...sorted] };
  return Buffer.from(JSON.stringify(index));
}
