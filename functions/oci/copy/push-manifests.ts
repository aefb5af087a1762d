import { type BlobCopy, restoreBlob } from './copy-blob.ts';
import type { Digest } from '../spec/digest.ts';
import type { Image } from '../spec/image.ts';
import { inParallel } from '../../async/in-parallel.ts';
import type { Manifest } from '../spec/manifest.ts';
import { wallClock } from '../registry/clock.ts';
import { putManifest, resolveTag } from '../registry/manifests.ts';
import { isImmutable } from '../registry/push-refusal.ts';
import { RegistryFailure } from '../registry/registry-failure.ts';

const manifestsInFlight = 8;

export interface ManifestsPush extends BlobCopy {
  image: Image;
  /** Tag of the root. Without one, the root is stored under its digest alone. */
  tag: string | undefined;
}

/**
 * Pushes the manifests of an image whose blobs are at the destination, the root last. Returns the root's digest as the
 * registry confirms it; `undefined` when it does not.
 */
export async function pushManifests(push: ManifestsPush): Promise<Digest | undefined> {
  const { root, manifests } = push.image;
  const children = manifests.filter((manifest) => manifest !== root);
  // Children are sorted parents-last. The order matters for nested indexes only.
  const nested = children.filter((child) => child.manifests.length > 0);
  const leaves = children.filter((child) => child.manifests.length === 0);
  await inParallel(leaves, manifestsInFlight, push.signal, async (child, signal) => {
    await pushWhole({ ...push, signal }, child, child.digest);
  });
  for (const index of nested) await pushWhole(push, index, index.digest);
  return pushRoot(push);
}

async function pushRoot(push: ManifestsPush): Promise<Digest | undefined> {
  const { destination, image, tag, signal } = push;
  const { digest } = image.root;
  try {
    return await pushWhole(push, image.root, tag ?? digest);
  } catch (error) {
    // Immutable tags refuse even a push of the same content.
    const refused =
      error instanceof RegistryFailure && (error.status < 500 || isImmutable(error.said)) && error.status >= 400;
    if (!refused) throw error;
    // Report the refusal: it is more informative than a failed lookup of the tag.
    const present = await resolveTag(destination, tag ?? digest, { signal }).catch(() => undefined);
    if (present !== digest) throw error;
    return present;
  }
}

/** Error codes for a missing piece below the manifest; the last two are ECR's (API_PutImage). */
const incomplete: ReadonlySet<string> = new Set([
  'MANIFEST_BLOB_UNKNOWN',
  'BLOB_UNKNOWN',
  'ReferencedImagesNotFound',
  'ReferencedImagesNotFoundException',
  'LayersNotFoundException',
]);

/** Pauses before the missing pieces are looked up, in units of the registry's base delay: 1 s and 3 s by default. */
const pauses = [2, 6];

/**
 * Pushes one manifest. Uploads the pieces that the registry reports as missing, after a pause: it may only be behind.
 */
async function pushWhole(push: ManifestsPush, manifest: Manifest, reference: string): Promise<Digest | undefined> {
  const { destination, signal } = push;
  for (let tries = 0; ; tries++) {
    try {
      return (await putManifest(destination, reference, manifest, signal)).digest;
    } catch (error) {
      const pause = pauses[tries];
      const lacks = error instanceof RegistryFailure && error.codes.some((code) => incomplete.has(code));
      if (pause === undefined || !lacks) throw error;
      await wallClock.sleep(pause * destination.registry.retryPolicy.baseMs, signal);
      signal?.throwIfAborted();
      await restore(push, manifest);
    }
  }
}

async function restore(push: ManifestsPush, manifest: Manifest): Promise<void> {
  await inParallel(manifest.blobs, manifestsInFlight, push.signal, (blob, signal) =>
    restoreBlob({ ...push, signal }, blob),
  );
  for (const { digest } of manifest.manifests) {
    const child = push.image.manifests.find((candidate) => candidate.digest === digest);
    if (child && (await resolveTag(push.destination, digest, { signal: push.signal })) !== digest)
      await putManifest(push.destination, digest, child, push.signal);
  }
}
