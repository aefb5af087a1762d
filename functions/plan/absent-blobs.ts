import { inParallel } from '../async/in-parallel.ts';
import type { BundleDocument } from '../bundle/document.ts';
import { servesBlob } from '../oci/registry/blobs.ts';
import { type Digest, isDigest } from '../oci/spec/digest.ts';
import type { Descriptor } from '../oci/spec/manifest.ts';
import { formatReference, parseReference, type Reference } from '../oci/spec/reference.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import { readInventory } from '../state/inventory.ts';
import { readReceived } from '../state/received.ts';
import type { Found } from './images.ts';

const lookupsInFlight = 16;

/** The images of a bundle that lack blobs, each with the digests that no known repository has. */
export type Missing = readonly { image: string; digests: readonly Digest[] }[];

/** Blobs that a bundle leaves out, because it was made for a registry that has them. */
export interface AbsentBlobs {
  /** Repositories of the registry to mount each from, by the name of the image. */
  holders: ReadonlyMap<string, ReadonlyMap<Digest, string>>;
  missing: Missing;
}

/** Returns the digests that a bundle leaves out. Foreign layers stay at the addresses in their descriptors. */
export function leftOut({ absent }: BundleDocument): Set<Digest> {
  return new Set(absent.flatMap(({ digest, reason }) => (reason === 'base' && isDigest(digest) ? [digest] : [])));
}

/**
 * Looks for the blobs that a bundle leaves out: in the repository of each image, then in the repositories that earlier
 * imports noted for the blob, then in all others that the factory filled. Writes nothing.
 */
export async function findAbsent(
  found: readonly Found[],
  document: BundleDocument,
  { runtime, signal }: TaskRun,
): Promise<AbsentBlobs> {
  const absent = leftOut(document);
  const holders = new Map<string, Map<Digest, string>>();
  const missing: { image: string; digests: Digest[] }[] = [];
  if (absent.size === 0) return { holders, missing };
  const [received, inventory] = await Promise.all([readReceived(runtime.store), readInventory(runtime.store)]);
  const filled = [...Object.keys(inventory).map(parseReference), ...found.map(({ planned }) => planned.target)];
  const looks = new Map<string, Promise<boolean>>();
  await inParallel(found, lookupsInFlight, signal, async ({ planned, image }, lookup) => {
    if (planned.status !== 'copy' || !image) return;
    const { target } = planned;
    const mounts = new Map<Digest, string>();
    const digests: Digest[] = [];
    for (const blob of image.blobs.filter(({ digest }) => absent.has(digest))) {
      const holder = await holderOf(blob, target, lookup);
      if (holder === undefined) digests.push(blob.digest);
      else if (holder !== target.repository) mounts.set(blob.digest, holder);
    }
    if (mounts.size > 0) holders.set(planned.image, mounts);
    if (digests.length > 0) missing.push({ image: formatReference(planned.source), digests });
  });
  return { holders, missing };

  async function holderOf(blob: Descriptor, target: Reference, lookup: AbortSignal): Promise<string | undefined> {
    for (const repository of placesFor(blob.digest, target)) {
      const key = `${repository} ${blob.digest}`;
      let look = looks.get(key);
      if (!look) {
        const place = runtime.repository({ registry: target.registry, repository });
        looks.set(key, (look = servesBlob(place, blob, lookup)));
      }
      if (await look) return repository;
    }
    return undefined;
  }

  /** Returns the repositories of the registry that may have a blob, the likely ones first. */
  function placesFor(digest: Digest, { registry, repository }: Reference): Set<string> {
    const noted = received.filter((copy) => copy.registry === registry && copy.digests.includes(digest));
    const others = filled.filter((reference) => reference.registry === registry);
    return new Set([repository, ...noted.map((copy) => copy.repository), ...others.map((other) => other.repository)]);
  }
}
