import { FactoryError } from '../../errors.ts';
import { type Descriptor, type Manifest, parseManifest } from './manifest.ts';
import { isIndexType } from './media-type.ts';
import { formatPlatform, type Platform, platformMatches } from './platform.ts';
import { printable } from '../../text/printable.ts';

/** Annotation by which buildx links an attestation to its image. */
const attestationSubject = 'vnd.docker.reference.digest';

/**
 * An index reduced to some platforms: their images, the attestations about them, and nested indexes. Its bytes, and so
 * its digest, differ from the original's; the same input always gives the same output. An image that is not an index is
 * returned as it is, since nothing can be left out.
 * Throws `ImageNotFound` when no platform is left.
 */
export function filterPlatforms(manifest: Manifest, wanted: readonly Platform[]): Manifest {
  if (!isIndexType(manifest.mediaType) || wanted.length === 0) return manifest;
  const isWanted = ({ platform }: Descriptor) =>
    platform !== undefined && wanted.some((w) => platformMatches(w, platform));
  const images = new Set<string | undefined>(manifest.manifests.filter(isWanted).map(({ digest }) => digest));
  const keeps = ({ digest, mediaType, platform, annotations }: Descriptor) =>
    images.has(digest) ||
    (platform === undefined && isIndexType(mediaType)) ||
    images.has(annotations?.[attestationSubject]);
  const kept = manifest.manifests.map(keeps);
  if (!kept.includes(true)) {
    // buildx gives attestations the platform unknown/unknown.
    const platforms = manifest.manifests.flatMap(({ platform }) => platform ?? []).filter(({ os }) => os !== 'unknown');
    const offered = new Set(platforms.map(formatPlatform));
    const message = `${manifest.digest} offers none of ${wanted.map(formatPlatform).join(', ')}`;
    const hint =
      offered.size > 0
        ? `Choose a platform that it offers: ${printable([...offered].join(', '))}.`
        : 'Choose no platform, because its index names none.';
    throw new FactoryError('ImageNotFound', message, { hint, topic: 'platforms' });
  }
  if (!kept.includes(false)) return manifest;
  const document = JSON.parse(new TextDecoder().decode(manifest.bytes)) as { manifests: unknown[] };
  document.manifests = document.manifests.filter((_, i) => kept[i]);
  return parseManifest(new TextEncoder().encode(JSON.stringify(document)), manifest.mediaType);
}
