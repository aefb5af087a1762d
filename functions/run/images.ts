import { type Image, loadImage } from '../oci/image.ts';
import type { Manifest } from '../oci/manifest.ts';
import { getManifest, type Repository } from '../oci/manifests.ts';
import type { Reference } from '../oci/reference.ts';
import type { Runtime } from '../runtime.ts';

/** A repository by reference. */
export function repositoryOf(reference: Reference, runtime: Runtime): Repository {
  return { registry: runtime.registry(reference.registry), name: reference.repository };
}

/** An image whose root is known, its manifests read through the cache. */
export function readImage(
  root: Manifest,
  repository: Repository,
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<Image> {
  return loadImage(root, (digest) => runtime.manifests.through(digest, () => getManifest(repository, digest, signal)));
}
