import type { Digest } from '../oci/spec/digest.ts';
import { formatPlatform, type Platform } from '../oci/spec/platform.ts';
import type { Found } from './images.ts';

/** Stands for images that name no platform: those without an index. */
const unnamed = 'other';
/** Stands for `unknown/unknown`, the platform that buildx gives attestations. */
const attestations = 'attestations';

/**
 * Returns the bytes that each platform needs, with each blob counted once per platform. Windows base layers are the
 * largest: the sizes show what a bundle without a platform would save.
 */
export function platformSizes(found: readonly Pick<Found, 'image'>[]): Record<string, number> {
  const blobs = new Map<string, Map<Digest, number>>();
  for (const { image } of found) {
    if (!image) continue;
    const platformOf = new Map(
      image.manifests.flatMap(({ manifests }) =>
        manifests.map(({ digest, platform }) => [digest, platform && nameOf(platform)]),
      ),
    );
    for (const manifest of image.manifests) {
      const platform = platformOf.get(manifest.digest) ?? unnamed;
      const known = blobs.get(platform) ?? new Map<Digest, number>();
      for (const { digest, size } of manifest.blobs) known.set(digest, size);
      if (known.size > 0) blobs.set(platform, known);
    }
  }
  const sizes = [...blobs].map(([platform, each]) => [platform, sum(each.values())] as const);
  return Object.fromEntries(sizes.toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)));
}

function nameOf(platform: Platform): string {
  return platform.os === 'unknown' ? attestations : formatPlatform(platform);
}

function sum(sizes: Iterable<number>): number {
  return [...sizes].reduce((total, size) => total + size, 0);
}
