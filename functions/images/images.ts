import { FactoryError } from '../errors.ts';
import type { Digest } from '../oci/spec/digest.ts';
import { type Image, loadImage } from '../oci/spec/image.ts';
import type { Manifest } from '../oci/spec/manifest.ts';
import type { Source } from '../oci/registry/source.ts';
import type { Reference } from '../oci/spec/reference.ts';
import type { CopiedImage, CopyResult, PlannedImage } from '../state/documents.ts';
import type { TaskRun } from '../runtime/task-run.ts';

/** Returns whether the target had the image when the run was planned. */
export function isPresent(image: PlannedImage): boolean {
  return image.status === 'current' || (image.status === 'copy' && image.present === true);
}

/** Returns where the copy of an image is: under its tag, or under its digest alone until its tag may move. */
export function placeOf(planned: PlannedImage, result?: CopyResult): Reference {
  const { target } = planned;
  const digest = result?.digest ?? planned.digest;
  const isWaiting = planned.status === 'copy' && planned.afterScan && !result?.tagged;
  return isWaiting && digest !== undefined ? { ...target, tag: undefined, digest } : target;
}

const longestTag = 128;

/** Returns the name to push a build to. A template pushes tags only, so a tag that waits for a scan has a second one. */
export function builtPlace({ target, afterScan }: Pick<CopiedImage, 'target' | 'afterScan'>): Reference {
  const suffix = '.unscanned';
  if (!afterScan || target.tag === undefined) return target;
  return { ...target, tag: `${target.tag.slice(0, longestTag - suffix.length)}${suffix}` };
}

/** Reads an image from its root manifest, through the cache. */
export function readImage(root: Manifest, source: Source, { runtime, signal }: TaskRun): Promise<Image> {
  return loadImage(root, (digest) => runtime.manifests.through(digest, () => source.manifest(digest, signal)));
}

/** Returns a reader of optional manifests, which uses the cache and respects the registry's pull limit. */
export function manifestReader(source: Source, { runtime, signal }: TaskRun): (digest: Digest) => Promise<Manifest> {
  const { registry } = source;
  if (!registry) return (digest) => runtime.manifests.through(digest, () => source.manifest(digest, signal));
  const { name, pulls } = registry;
  return (digest) =>
    runtime.manifests.through(digest, async () => {
      const reservation = pulls.reserve(1);
      if (!reservation) {
        throw new FactoryError('RegistryThrottled', `the pull limit of ${name} leaves no pull for manifest ${digest}`, {
          hint: `Log in to ${name} for a higher limit, or run again when the limit resets.`,
        });
      }
      try {
        const manifest = await source.manifest(digest, signal);
        reservation.spend();
        return manifest;
      } finally {
        reservation.release();
      }
    });
}
