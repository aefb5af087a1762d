import { FactoryError } from '../errors.ts';
import type { Digest } from '../oci/spec/digest.ts';
import { type Image, loadImage } from '../oci/spec/image.ts';
import type { Manifest } from '../oci/spec/manifest.ts';
import { getManifest } from '../oci/registry/manifests.ts';
import type { Repository } from '../oci/registry/repository.ts';
import type { PlannedImage } from '../state/documents.ts';
import type { TaskRun } from '../runtime/task-run.ts';

/** Returns whether the target had the image when the run was planned. */
export function isPresent(image: PlannedImage): boolean {
  return image.status === 'current' || (image.status === 'copy' && image.present === true);
}

/** Reads an image from its root manifest, through the cache. */
export function readImage(root: Manifest, repository: Repository, { runtime, signal }: TaskRun): Promise<Image> {
  return loadImage(root, (digest) => runtime.manifests.through(digest, () => getManifest(repository, digest, signal)));
}

/** Returns a reader of optional manifests, which uses the cache and respects the registry's pull limit. */
export function manifestReader(
  repository: Repository,
  { runtime, signal }: TaskRun,
): (digest: Digest) => Promise<Manifest> {
  const { name, pulls } = repository.registry;
  return (digest) =>
    runtime.manifests.through(digest, async () => {
      const reservation = pulls.reserve(1);
      if (!reservation) {
        throw new FactoryError('RegistryThrottled', `the pull limit of ${name} leaves no pull for manifest ${digest}`, {
          hint: `Log in to ${name} for a higher limit, or run again when the limit resets.`,
        });
      }
      try {
        const manifest = await getManifest(repository, digest, signal);
        reservation.spend();
        return manifest;
      } finally {
        reservation.release();
      }
    });
}
