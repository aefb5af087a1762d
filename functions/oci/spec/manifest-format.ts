import type { Manifest } from './manifest.ts';
import { isNondistributable, mediaTypes } from './media-type.ts';

/** The likely objection of a registry to a manifest, and a cure that does not change a byte of it. */
export interface ManifestFormat {
  /** The media types. Continues a sentence about the manifest. */
  description: string;
  /** One imperative sentence. */
  cure: (registry: string) => string;
}

const usualConfigs: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
]);

/** The least usual part of a manifest is the likeliest cause. */
export function formatOf(manifest: Manifest): ManifestFormat {
  const { mediaType, blobs, manifests, subject } = manifest;
  const parts = [...blobs, ...manifests];
  const types = (matches: (type: string) => boolean) => [
    ...new Set(parts.map((part) => part.mediaType).filter((type) => matches(type))),
  ];
  const foreign = types(isNondistributable);
  if (foreign.length > 0 || blobs.some(({ urls }) => urls !== undefined && urls.length > 0)) {
    return {
      description: `${mediaType} with foreign layers (${foreign.join(', ') || 'layers with URLs'})`,
      cure: (registry) =>
        `Let ${registry} accept the URLs of foreign layers (distribution: validation.manifests.urls.allow), leave Windows out with "platforms", or leave the image out.`,
    };
  }
  const compressed = types((type) => type.endsWith('+zstd'));
  if (compressed.length > 0) {
    return {
      description: `${mediaType} with ${compressed.join(', ')}`,
      cure: (registry) =>
        `Upgrade ${registry} to a version that accepts layers compressed with zstd, or pin a version without them.`,
    };
  }
  const config =
    mediaType === mediaTypes.ociManifest ? types((type) => /\bconfig\b/.test(type) || type.includes('empty')) : [];
  const odd = config.filter((type) => !usualConfigs.has(type));
  if (mediaType === mediaTypes.ociArtifact || subject !== undefined || odd.length > 0) {
    const about = [...odd, ...(subject ? ['a subject'] : [])];
    return {
      description: `${mediaType}${about.length > 0 ? ` with ${about.join(' and ')}` : ''}`,
      cure: (registry) =>
        `Use a registry that accepts OCI artifacts in place of ${registry}, or leave them out with "referrers": "off".`,
    };
  }
  const isOci = mediaType === mediaTypes.ociManifest || mediaType === mediaTypes.ociIndex;
  return {
    description: manifests.length > 0 ? `${mediaType} of ${types(() => true).join(', ')}` : mediaType,
    cure: (registry) =>
      isOci
        ? `Upgrade ${registry} to a version that accepts OCI images, or pin the image to a version in Docker's format.`
        : `Let ${registry} accept Docker's image format (zot: http.compat docker2s2): a copy keeps the format, for its digest must not change.`,
  };
}
