import { FactoryError } from '../errors.ts';
import type { Digest } from '../oci/spec/digest.ts';
import { type Descriptor, type Manifest, manifestLimits } from '../oci/spec/manifest.ts';
import { isIndexType } from '../oci/spec/media-type.ts';

/**
 * Returns the manifests of an image to scan: the image itself, or the manifest of each platform of an index, without
 * attestations. `read` gets a nested index.
 */
export async function platformManifests(
  root: Manifest,
  read: (digest: Digest) => Promise<Manifest>,
): Promise<Digest[]> {
  if (!isIndexType(root.mediaType)) return [root.digest];
  const found = new Set<Digest>();
  let indexes = [root];
  for (let depth = 0; indexes.length > 0; depth++) {
    if (depth > manifestLimits.depth) throw tooDeep(root);
    const children = indexes.flatMap(({ manifests }) => manifests).filter((child) => !isAttestation(child));
    for (const { mediaType, digest } of children) if (!isIndexType(mediaType)) found.add(digest);
    indexes = await Promise.all(
      children.filter(({ mediaType }) => isIndexType(mediaType)).map(({ digest }) => read(digest)),
    );
  }
  return [...found];
}

/** Detects attestations. buildx marks them twice: by an annotation, and by the platform `unknown`. */
function isAttestation({ platform, annotations }: Descriptor): boolean {
  return platform?.os === 'unknown' || annotations?.['vnd.docker.reference.type'] === 'attestation-manifest';
}

function tooDeep({ digest }: Manifest): FactoryError {
  return new FactoryError('ManifestInvalid', `image ${digest} has indexes nested deeper than ${manifestLimits.depth}`, {
    hint: 'Use another source registry: no real image is that deep, so this one is broken or hostile.',
  });
}
