import { setTimeout as sleep } from 'node:timers/promises';
import { type BlobCopy, restoreBlob } from './copy-blob.ts';
import type { Digest } from '../spec/digest.ts';
import type { Image } from '../spec/image.ts';
import { inParallel } from '../../async/in-parallel.ts';
import type { Manifest } from '../spec/manifest.ts';
import { putManifest, resolveTag } from '../registry/manifests.ts';
import { isImmutable } from '../registry/push-refusal.ts';
import { RegistryFailure } from '../registry/registry-failure.ts';

const manifestsInFlight = 8;

export interface ManifestsPush extends BlobCopy {
  image: Image;
  /** Under which tag the root is stored; without one it is stored under its digest alone. */
  tag: string | undefined;
}

/**
 * Pushes an image's manifests, the root last, to where its blobs are. Returns the root's digest as the registry confirms
 * it; `undefined` when it does not say.
 */
export async function pushManifests(push: ManifestsPush): Promise<Digest | undefined> {
  const { root, manifests } = push.image;
  const children = manifests.filter((manifest) => manifest !== root);
  // Children are sorted parents-last, and only nested indexes have an order among themselves.
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
    // Immutable tags refuse a push even of what they hold already.
    const refused =
      error instanceof RegistryFailure && (error.status < 500 || isImmutable(error.said)) && error.status >= 400;
    if (!refused) throw error;
    // The refusal says more than a failed look at the tag would.
    const present = await resolveTag(destination, tag ?? digest, signal).catch(() => undefined);
    if (present !== digest) throw error;
    return present;
  }
}

/** How registries say that something below the manifest is missing; the last two are ECR's (API_PutImage). */
const incomplete: ReadonlySet<string> = new Set([
  'MANIFEST_BLOB_UNKNOWN',
  'BLOB_UNKNOWN',
  'ReferencedImagesNotFound',
  'ReferencedImagesNotFoundException',
  'LayersNotFoundException',
]);

/** Pauses before what is missing is looked for, in units of the registry's first pause: 1 s and 3 s by default. */
const pauses = [2, 6];

/** Pushes one manifest. What the registry then misses is brought again: it may just not have caught up with itself. */
async function pushWhole(push: ManifestsPush, manifest: Manifest, reference: string): Promise<Digest | undefined> {
  const { destination, signal } = push;
  for (let tries = 0; ; tries++) {
    try {
      return (await putManifest(destination, reference, manifest, signal)).digest;
    } catch (error) {
      const pause = pauses[tries];
      if (
        pause === undefined ||
        !(error instanceof RegistryFailure) ||
        !error.codes.some((code) => incomplete.has(code))
      )
        throw error;
      await sleep(pause * destination.registry.retryPolicy.baseMs, undefined, signal && { signal }).catch(
        () => undefined,
      );
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
    if (child && (await resolveTag(push.destination, digest, push.signal)) !== digest)
      await putManifest(push.destination, digest, child, push.signal);
  }
}
