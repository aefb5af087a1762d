import type { Hint } from '../../hint.ts';
import type { Manifest } from './manifest.ts';
import { isNondistributable, mediaTypes } from './media-type.ts';

/** The part of a manifest that a registry probably refuses, and a cure that keeps every byte, and so the digest. */
export interface ManifestFormat {
  /** The media types. Continues a sentence about the manifest. */
  description: string;
  cure: (registry: string) => Hint;
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
      cure: (registry) => ({
        hint: `Let ${registry} accept the URLs of foreign layers (distribution: validation.manifests.urls.allow).`,
        topic: 'foreign-layers',
      }),
    };
  }
  const compressed = types((type) => type.endsWith('+zstd'));
  if (compressed.length > 0) {
    return {
      description: `${mediaType} with ${compressed.join(', ')}`,
      cure: (registry) => ({
        hint: `Upgrade ${registry} to a version that accepts layers compressed with zstd.`,
        topic: 'image-format',
      }),
    };
  }
  const config =
    mediaType === mediaTypes.ociManifest ? types((type) => /\bconfig\b/.test(type) || type.includes('empty')) : [];
  const odd = config.filter((type) => !usualConfigs.has(type));
  if (mediaType === mediaTypes.ociArtifact || subject !== undefined || odd.length > 0) {
    const about = [...odd, ...(subject ? ['a subject'] : [])];
    return {
      description: `${mediaType}${about.length > 0 ? ` with ${about.join(' and ')}` : ''}`,
      cure: (registry) => ({
        hint: `Use a registry that accepts OCI artifacts in place of ${registry}.`,
        topic: 'oci-artifact',
      }),
    };
  }
  const isOci = mediaType === mediaTypes.ociManifest || mediaType === mediaTypes.ociIndex;
  return {
    description: manifests.length > 0 ? `${mediaType} of ${types(() => true).join(', ')}` : mediaType,
    cure: (registry) =>
      isOci
        ? { hint: `Upgrade ${registry} to a version that accepts OCI images.`, topic: 'image-format' }
        : { hint: `Let ${registry} accept Docker's image format (zot: http.compat docker2s2).` },
  };
}
