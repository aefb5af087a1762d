import type { Digest } from '../oci/spec/digest.ts';
import { formatReference, type ImageName, isDockerHub, parseReference } from '../oci/spec/reference.ts';

/** Returns the name under which Harness knows an image: Docker Hub is where names without a registry are. */
export function usualName(image: ImageName): ImageName {
  return image.registry !== undefined && isDockerHub(image.registry) ? { ...image, registry: undefined } : image;
}

/** Returns the name of an image in a bundle. */
export function nameInBundle(image: ImageName): string {
  // A tag names the image; the digest stands beside the name.
  const digest = image.tag === undefined ? image.digest : undefined;
  return formatReference({ ...image, registry: image.registry ?? 'docker.io', digest });
}

/** Returns the name that leads an export to an image of a bundle again. */
export function nameAtSource(
  { image, digest }: { image: string; digest: Digest },
  { platforms }: { platforms: readonly string[] },
): string {
  // The source has no index without some platforms: its tag stands for it.
  return formatReference({ ...usualName(parseReference(image)), ...(platforms.length === 0 && { digest }) });
}
