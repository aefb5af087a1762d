import { FactoryError } from '../errors.ts';
import type { Digest } from '../oci/spec/digest.ts';
import { inParallel } from '../async/in-parallel.ts';
import type { Image } from '../oci/spec/image.ts';
import type { Descriptor, Manifest } from '../oci/spec/manifest.ts';
import { resolveTag } from '../oci/registry/manifests.ts';
import { isIndexType } from '../oci/spec/media-type.ts';
import {
  atDockerHub,
  formatReference,
  type ImageName,
  parseImageName,
  parseReference,
  type Reference,
  type RegistryLocation,
  relocate,
  tagOrDigest,
} from '../oci/spec/reference.ts';
import { type Platform } from '../oci/spec/platform.ts';
import { filterPlatforms } from '../oci/spec/platform-filter.ts';
import type { ReferrersPolicy } from '../oci/registry/referrers.ts';
import { builtDigest } from '../state/built-images.ts';
import type { CopiedImage, PlannedImage } from '../state/documents.ts';
import { isPresent } from '../images/images.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { nameInBundle } from '../settings/bundle-names.ts';
import { ImageSource } from './image-source.ts';
import { pullWarnings } from './pull-warnings.ts';
import { planWaves } from './waves.ts';
import type { TaskRun } from '../runtime/task-run.ts';

/** Images looked up in parallel. Each costs one small request at the source and one at the target. */
const lookupsInFlight = 16;

export interface ImageSettings {
  /** The place that may have the images already. Absent for a bundle, which is written as a whole. */
  registry: RegistryLocation | undefined;
  sources: readonly RegistryLocation[];
  platforms: readonly Platform[];
  referrers: ReferrersPolicy;
  /** Reads the manifests of missing images, for their size and their waves. `verify` needs only their names. */
  read: boolean;
  /** Names of images that the target should hold already: Harness uses them, or the factory has copied them. */
  expected: ReadonlySet<string>;
}

export interface ImagePlan {
  images: PlannedImage[];
  /** Indexes into `images`, wave by wave, in the order of copying. */
  waves: number[][];
}

/**
 * Finds every image at a source and at the target, and compares the digests. An image that no source has is a failed
 * image, not a failed plan. A target that cannot be reached fails the plan.
 */
export async function planImages(
  names: readonly ImageName[],
  settings: ImageSettings,
  { runtime, signal }: TaskRun,
): Promise<{ found: Found[]; warnings: string[] }> {
  const found: Found[] = [];
  await inParallel([...names.entries()], lookupsInFlight, signal, async ([index, name], lookup) => {
    found[index] = await planImage(name, settings, { runtime, signal: lookup });
  });
  return { found, warnings: warningsOf(names, found, settings, runtime) };
}

/** Plans the copies and their waves. Nobody uploads the blobs `absent`. */
export function planCopies(found: readonly Found[], absent: ReadonlySet<Digest> = new Set()): ImagePlan {
  const images = found.map(({ planned }) => planned);
  // Only copied images mount and share blobs.
  const copies = found.flatMap(({ planned, image }, index) => {
    if (!image) return [];
    const { repository } = planned.target;
    return {
      index,
      planned,
      size: image.size,
      blobs: blobsToCopy(planned, image).filter(({ digest }) => !absent.has(digest)),
      repository,
      present: isPresent(planned),
    };
  });
  const { waves, mounts, brings } = planWaves(copies);
  copies.forEach(({ index, planned, size }, i) => {
    if (planned.status === 'current') images[index] = { ...planned, size };
    if (planned.status !== 'copy') return;
    const mounted = mounts[i];
    images[index] = { ...planned, size, uniqueSize: brings[i] ?? 0, ...(mounted?.size && { mounts: mounted }) };
  });
  return {
    images,
    // Images that are current need no copy.
    waves: waves.map((wave) => wave.flatMap((i) => (copies[i]?.planned.status === 'copy' ? copies[i].index : []))),
  };
}

/** Returns the blobs to copy: all, or only the missing ones of an image that is incomplete at the target. */
function blobsToCopy({ missing }: PlannedImage, { blobs }: Image): readonly Descriptor[] {
  if (!missing) return blobs;
  const lost = new Set(missing.map(({ digest }) => digest));
  return blobs.filter(({ digest }) => lost.has(digest));
}

export interface Found {
  planned: PlannedImage;
  /** Set only when the image is to be copied. */
  image?: Image;
  /** The platforms of its index. Known only where the run chooses platforms. */
  offers?: Platform[] | 'single' | undefined;
  source?: ImageSource;
}

/** A version that Harness offered earlier. */
export interface EarlierVersion {
  /** The name of the planned image. */
  key: string;
  image: string;
  digest: Digest;
  /** The digest of its copy, when it is another one. */
  copy?: Digest;
}

/**
 * Finds a version that Harness offered earlier, by its digest: at the registry, where an earlier run may have copied it,
 * or else at a source. Its tag may have moved at both.
 */
export async function planVersion(
  { key, image, digest, copy = digest }: EarlierVersion,
  settings: ImageSettings & { registry: RegistryLocation },
  { runtime, signal }: TaskRun,
): Promise<Found> {
  const name = parseImageName(image);
  const target = relocate(name, settings.registry);
  const here = { ...target, tag: undefined, digest: copy };
  const isHere = (await resolveTag(runtime.repository(here), copy, { signal })) === copy;
  const sources = candidatesOf({ ...name, digest }, settings);
  const wanted = { image: key, target, candidates: isHere ? [here, ...sources] : sources };
  return planWanted(wanted, isHere ? { ...settings, platforms: [] } : settings, { runtime, signal });
}

function planImage(name: ImageName, settings: ImageSettings, run: TaskRun): Promise<Found> {
  const target =
    settings.registry === undefined ? parseReference(nameInBundle(name)) : relocate(name, settings.registry);
  const wanted = { image: formatReference(name), target, candidates: candidatesOf(name, settings) };
  return planWanted(wanted, settings, run);
}

interface Wanted {
  /** The name of the planned image. */
  image: string;
  target: Reference;
  /** Possible sources in order. */
  candidates: readonly Reference[];
}

async function planWanted(
  { image, target, candidates }: Wanted,
  settings: ImageSettings,
  { runtime, signal }: TaskRun,
): Promise<Found> {
  const planned: Pick<PlannedImage, 'image' | 'target' | 'sourceDigest' | 'digest'> = { image, target };
  const found: Omit<Found, 'planned'> = {};
  const key = formatReference(target);
  const isExpected = settings.expected.has(key);
  const absence = isExpected ? 'unlikely' : 'likely';
  const present =
    settings.registry === undefined
      ? Promise.resolve(undefined)
      : resolveTag(runtime.repository(target), tagOrDigest(target), { signal, absence });
  try {
    // Source and target are requested in parallel. For a new image, read the source's manifest itself, which saves a
    // request. For an image that most runs find unchanged, read only its digest, which no registry counts as a pull.
    const read = settings.read && !isExpected;
    const [source] = await Promise.all([ImageSource.find(candidates, { read, runtime, signal }), present]);
    found.source = source;
    const filtered = await filteredRoot(source, found, settings.platforms, runtime);
    planned.sourceDigest = source.digest;
    const official = filtered?.digest ?? source.digest;
    // A template builds for the registry: a bundle has the official images.
    const digest =
      settings.registry === undefined ? official : await expectedDigest(key, official, await present, runtime);
    if (digest !== undefined) planned.digest = digest;
    const isThere = digest !== undefined && (await present) === digest;
    if (isThere && settings.referrers === 'off')
      return { ...found, planned: { ...planned, ...placesOf(source), digest, status: 'current' } };
    if (settings.read) found.image = await source.image(filtered ?? (await source.root()));
    // There may be new referrers of an image that is there: the copy task looks for them, and copies nothing else.
    const copied: CopiedImage = { ...planned, ...placesOf(source), status: 'copy', ...(isThere && { present: true }) };
    return { ...found, planned: copied };
  } catch (error) {
    signal?.throwIfAborted();
    // Throws when the target is what failed.
    await present;
    const places = found.source && placesOf(found.source);
    return { ...found, planned: { ...planned, ...places, status: 'failed', error: FactoryError.from(error).toJSON() } };
  }
}

/** Returns the source that an image is read from, and those that a copy can move to. */
function placesOf({ reference, others }: ImageSource): Pick<CopiedImage, 'source' | 'otherSources'> {
  return { source: reference, ...(others.length > 0 && { otherSources: [...others] }) };
}

/** Returns the digest that belongs at the target; `undefined` for an image that a template still has to build. */
async function expectedDigest(
  target: string,
  source: Digest,
  present: Digest | undefined,
  { configuration: { buildPushTemplate: template }, store }: Runtime,
): Promise<Digest | undefined> {
  if (template === undefined) return source;
  const built = await builtDigest(store, target, { template, source });
  return built === present ? built : undefined;
}

/** Returns the possible sources in order. A default that names its own registry has only that one. */
export function candidatesOf(name: ImageName, { sources }: Pick<ImageSettings, 'sources'>): Reference[] {
  const { registry } = name;
  const references = registry === undefined ? sources.map((source) => relocate(name, source)) : [{ ...name, registry }];
  return references.map(atDockerHub);
}

/** Returns the root manifest for the target when it differs from the source's, because platforms are left out. */
async function filteredRoot(
  source: ImageSource,
  found: Pick<Found, 'offers'>,
  platforms: readonly Platform[],
  runtime: Runtime,
): Promise<Manifest | undefined> {
  if (platforms.length === 0) return undefined;
  const official = await source.root();
  found.offers = platformsOf(official);
  const root = filterPlatforms(official, platforms);
  await runtime.manifests.put(root);
  return root;
}

/** Returns `undefined` for an index of indexes, which have platforms of their own. */
function platformsOf({ mediaType, manifests }: Manifest): Found['offers'] {
  if (!isIndexType(mediaType)) return 'single';
  const nested = manifests.some((child) => child.platform === undefined && isIndexType(child.mediaType));
  return nested ? undefined : manifests.flatMap(({ platform }) => platform ?? []).filter(({ os }) => os !== 'unknown');
}

function warningsOf(
  names: readonly ImageName[],
  found: readonly Found[],
  settings: ImageSettings,
  runtime: Runtime,
): string[] {
  const registries = new Set(names.flatMap((name) => candidatesOf(name, settings)).map(({ registry }) => registry));
  const sources = [...registries].map((name) => ({
    name,
    budget: runtime.registry(name).pulls.budget,
    overdrawnFor: found.flatMap(({ planned, source }) => (source?.overdrawn === name ? planned.image : [])),
  }));
  return pullWarnings(sources);
}
