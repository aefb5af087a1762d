import { FactoryError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import { inParallel } from '../oci/in-parallel.ts';
import type { Image } from '../oci/image.ts';
import type { Manifest } from '../oci/manifest.ts';
import { getManifest, type Repository, resolveTag } from '../oci/manifests.ts';
import {
  formatReference,
  type ImageName,
  type Reference,
  type RegistryLocation,
  relocate,
  tagOrDigest,
} from '../oci/reference.ts';
import { type Platform } from '../oci/platform.ts';
import { filterPlatforms } from '../oci/platform-filter.ts';
import type { ReferrersPolicy } from '../oci/referrers.ts';
import type { PlannedImage } from '../run/documents.ts';
import { readImage, repositoryOf } from '../run/images.ts';
import type { Runtime } from '../runtime.ts';
import { planWaves } from './waves.ts';

/** Images looked up at once; each costs one small request at the source and one at the target. */
const lookupsInFlight = 16;

export interface ImageSettings {
  registry: RegistryLocation;
  sources: readonly RegistryLocation[];
  platforms: readonly Platform[];
  referrers: ReferrersPolicy;
  /** Whether missing images are read, for their size and their waves; `verify` only wants to know which are missing. */
  read: boolean;
}

export interface ImagePlan {
  images: PlannedImage[];
  /** Indexes into `images`, in the order of copying. */
  owners: number[];
  followers: number[];
}

/**
 * Finds every image at a source and at the target, compares by digest, and divides what is missing into waves.
 * An image that no source has is a failed image, not a failed plan; a target that cannot be asked ends the plan.
 */
export async function planImages(
  names: readonly ImageName[],
  settings: ImageSettings,
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<ImagePlan> {
  const found: Found[] = [];
  await inParallel([...names.entries()], lookupsInFlight, signal, async ([index, name], lookup) => {
    found[index] = await planImage(name, settings, runtime, lookup);
  });
  // Mounting and sharing are about what is copied; the rest is only looked at.
  const copies = found.flatMap(({ planned, image, repository }, index) =>
    image ? [{ index, planned, blobs: image.blobs, repository }] : [],
  );
  const waves = planWaves(copies);
  copies.forEach(({ planned, blobs }, i) => {
    const mounts = waves.mounts[i] ?? {};
    planned.size = blobs.reduce((sum, { size }) => sum + size, 0);
    planned.uniqueSize = waves.brings[i] ?? 0;
    if (Object.keys(mounts).length > 0) planned.mounts = mounts;
  });
  const indexOf = (i: number) => copies[i]?.index ?? [];
  return {
    images: found.map(({ planned }) => planned),
    owners: waves.owners.flatMap(indexOf),
    followers: waves.followers.flatMap(indexOf),
  };
}

interface Found {
  planned: PlannedImage;
  repository: string;
  /** Only when it is to be copied. */
  image?: Image;
}

async function planImage(
  name: ImageName,
  settings: ImageSettings,
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<Found> {
  const target = relocate(name, settings.registry);
  const planned: PlannedImage = { image: formatReference(name), target: formatReference(target), status: 'failed' };
  const found: Found = { planned, repository: target.repository };
  // Asked while the sources are: most runs find both and compare.
  const present = resolveTag(repositoryOf(target, runtime), tagOrDigest(target), signal);
  try {
    const [source] = await Promise.all([findSource(name, settings.sources, runtime, signal), present]);
    const root = await wantedRoot(source, settings.platforms, runtime, signal);
    planned.source = formatReference(source.reference);
    planned.sourceDigest = source.digest;
    planned.digest = root?.digest ?? source.digest;
    // Referrers may have come since: the copy task looks, and finds nothing else to do.
    const current = (await present) === planned.digest;
    if (current && settings.referrers === 'off') {
      planned.status = 'current';
      return found;
    }
    planned.status = 'copy';
    if (current) planned.present = true;
    if (settings.read)
      found.image = await readImage(
        root ?? (await readRoot(source, runtime, signal)),
        source.repository,
        runtime,
        signal,
      );
    return found;
  } catch (error) {
    signal?.throwIfAborted();
    // Throws when it was the target that failed.
    await present;
    planned.status = 'failed';
    planned.error = FactoryError.from(error).toJSON();
    return found;
  }
}

interface Source {
  reference: Reference;
  repository: Repository;
  digest: Digest;
}

/** The first source in order that has the image. A default that names its own registry has only that one. */
async function findSource(
  name: ImageName,
  sources: readonly RegistryLocation[],
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<Source> {
  const { registry } = name;
  const candidates = registry === undefined ? sources.map((source) => relocate(name, source)) : [{ ...name, registry }];
  const failures: FactoryError[] = [];
  for (const reference of candidates) {
    const repository = repositoryOf(reference, runtime);
    try {
      const digest = await resolveTag(repository, tagOrDigest(reference), signal);
      if (digest !== undefined) return { reference, repository, digest };
      failures.push(
        new FactoryError('ImageNotFound', `${formatReference(reference)} does not exist`, {
          hint: 'Check the tag, pin it to one that exists, or name another source_registry.',
        }),
      );
    } catch (error) {
      signal?.throwIfAborted();
      failures.push(FactoryError.from(error));
    }
  }
  // "Not there" is the least telling reason when another source could not even be asked.
  const telling = failures.find(({ name: failure }) => failure !== 'ImageNotFound') ?? failures[0];
  throw new FactoryError(telling?.name ?? 'ImageNotFound', failures.map(({ message }) => message).join('; '), {
    hint: telling?.hint ?? 'Name a source_registry.',
  });
}

/** The root manifest that belongs at the target when it differs from the source's, because platforms are left out. */
async function wantedRoot(
  source: Source,
  platforms: readonly Platform[],
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<Manifest | undefined> {
  if (platforms.length === 0) return undefined;
  const root = filterPlatforms(await readRoot(source, runtime, signal), platforms);
  await runtime.manifests.put(root);
  return root;
}

/** Always by digest: the tag may move while we work. */
function readRoot(source: Source, runtime: Runtime, signal?: AbortSignal): Promise<Manifest> {
  return runtime.manifests.through(source.digest, () => getManifest(source.repository, source.digest, signal));
}
