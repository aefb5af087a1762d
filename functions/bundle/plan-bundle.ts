import { inParallel } from '../async/in-parallel.ts';
import { FactoryError } from '../errors.ts';
import { artifactOf } from '../oci/layout/layout.ts';
import { cosignTags, isWantedReferrer } from '../oci/registry/referrers.ts';
import type { Source } from '../oci/registry/source.ts';
import type { Digest } from '../oci/spec/digest.ts';
import { type Image, loadImage } from '../oci/spec/image.ts';
import { type Descriptor, isLeftAtItsUrls, type Manifest } from '../oci/spec/manifest.ts';
import { formatPlatform } from '../oci/spec/platform.ts';
import { formatReference, type Reference } from '../oci/spec/reference.ts';
import { withOffsets } from './bundle-files.ts';
import { type BundleDocument, bundleDocument, type BundledImage, type BundledReferrer } from './document.ts';

/** An image to put into a bundle. */
export interface ImageToBundle {
  /** The full official reference. */
  readonly name: Reference;
  /** Its root: the source's, or one with some platforms left out. */
  readonly root: Manifest;
  /** The places that have it, the first choice first. */
  readonly sources: readonly [Source, ...Source[]];
  /** The first source, as the document names it: `gar`, `ecr-public`, `dockerhub`, or a host. */
  readonly sourceName: string;
  readonly roles: BundledImage['roles'];
}

export interface BundleOrder extends Pick<BundleDocument, 'createdAt' | 'factory' | 'base' | 'policy'> {
  readonly images: readonly ImageToBundle[];
  /** Blobs that the target has. Manifests are never left out. */
  readonly leaveOut?: ReadonlySet<Digest>;
  /** Reads manifests of an image by digest, for instance from a cache. Default: from its first source. */
  readonly read?: (image: ImageToBundle, digest: Digest, signal?: AbortSignal) => Promise<Manifest>;
  readonly signal?: AbortSignal | undefined;
}

/** Everything that a bundle will hold, known before the first layer is read. */
export interface BundlePlan {
  readonly document: BundleDocument;
  readonly manifests: ReadonlyMap<Digest, Manifest>;
  readonly blobs: ReadonlyMap<Digest, Origin>;
}

/** The descriptor of a blob, and the places that have it. */
export interface Origin {
  readonly blob: Descriptor;
  readonly sources: readonly Source[];
}

const imagesInFlight = 16;

/** Plans a bundle: reads all manifests, and places every manifest and blob once. */
export async function planBundle(order: BundleOrder): Promise<BundlePlan> {
  const { images, leaveOut = new Set<Digest>(), createdAt, factory, base, policy, signal } = order;
  const manifests = new Map<Digest, Manifest>();
  const found = new Map<Digest, Origin>();
  const rows: BundledImage[] = [];
  await inParallel(images, imagesInFlight, signal, async (image, each) => {
    const read = (digest: Digest) => readManifest(order, image, digest, each);
    const root = await loadImage(image.root, read);
    const referrers = await referrersOf(image, root, { policy: policy.referrers, read, signal: each });
    for (const part of [root, ...referrers.map((referrer) => referrer.image)]) {
      for (const manifest of part.manifests) manifests.set(manifest.digest, manifest);
      for (const blob of part.blobs) found.set(blob.digest, known(found.get(blob.digest), blob, image.sources));
    }
    rows.push(
      rowOf(
        image,
        referrers.map(({ row }) => row),
      ),
    );
  });
  // An artifact may have the manifest of another as a layer.
  for (const digest of manifests.keys()) found.delete(digest);
  const absent: BundleDocument['absent'] = [];
  for (const { blob, sources } of found.values()) {
    const reason = leaveOut.has(blob.digest)
      ? 'base'
      : (await isForeign(blob, sources, signal))
        ? 'foreign'
        : undefined;
    if (reason) absent.push({ digest: blob.digest, size: blob.size, reason });
  }
  for (const { digest } of absent) found.delete(digest);
  const blobs = withOffsets([
    ...[...manifests.values()].map(({ digest, bytes }) => [digest, bytes.length] as const).toSorted(byDigest),
    ...[...found.values()].map(({ blob }) => [blob.digest, blob.size] as const).toSorted(byDigest),
  ]);
  const document = bundleDocument({
    createdAt,
    factory,
    base,
    policy,
    images: rows.toSorted((a, b) => (a.image < b.image ? -1 : 1)),
    blobs,
    absent: absent.toSorted((a, b) => (a.digest < b.digest ? -1 : 1)),
  });
  return { document, manifests, blobs: found };
}

function byDigest([a]: readonly [Digest, number], [b]: readonly [Digest, number]): number {
  return a < b ? -1 : 1;
}

/** Adds the sources of another image that has the same blob. */
function known(earlier: Origin | undefined, blob: Descriptor, sources: readonly Source[]): Origin {
  if (!earlier) return { blob, sources };
  if (earlier.blob.size === blob.size) return earlier;
  throw new FactoryError(
    'ManifestInvalid',
    `blob ${blob.digest} has ${earlier.blob.size} bytes in one image and ${blob.size} in another`,
    { hint: 'Compare with another source registry: the images contradict each other.' },
  );
}

/** Reads a manifest of an image as the order says, or from its first source. */
export function readManifest(
  { read }: Pick<BundleOrder, 'read'>,
  image: ImageToBundle,
  digest: Digest,
  signal: AbortSignal,
): Promise<Manifest> {
  return read ? read(image, digest, signal) : image.sources[0].manifest(digest, signal);
}

function rowOf({ name, root, sourceName, roles }: ImageToBundle, referrers: readonly BundledReferrer[]): BundledImage {
  const platforms = root.manifests.flatMap(({ platform }) => platform ?? []).filter(({ os }) => os !== 'unknown');
  return {
    image: formatReference(name),
    digest: root.digest,
    mediaType: root.mediaType,
    source: sourceName,
    platforms: [...new Set(platforms.map(formatPlatform))].toSorted(),
    roles: roles.map(({ module, infrastructureType, field }) => ({ module, infrastructureType, field })),
    referrers: referrers.toSorted((a, b) => (`${a.digest} ${a.tag}` < `${b.digest} ${b.tag}` ? -1 : 1)),
  };
}

interface Referrer {
  row: BundledReferrer;
  image: Image;
}

/** Reads what refers to the manifests of an image: by subject, and by the tags that tools without referrers use. */
async function referrersOf(
  { sources: [source] }: ImageToBundle,
  { manifests }: Image,
  {
    policy,
    read,
    signal,
  }: {
    policy: BundleDocument['policy']['referrers'];
    read: (digest: Digest) => Promise<Manifest>;
    signal: AbortSignal;
  },
): Promise<Referrer[]> {
  if (policy === 'off') return [];
  const found: Referrer[] = [];
  for (const { digest: subject } of manifests) {
    const { artifacts } = await source.referrers(subject, { read, signal });
    for (const artifact of artifacts.filter((each) => isWantedReferrer(policy, each)))
      found.push(await referrer(artifact.digest, undefined));
    // The index under the fallback tag lists all artifacts, so it goes with all of them only.
    const tags = [...(policy === 'all' ? [subject.replace(':', '-')] : []), ...cosignTags(policy, subject)];
    for (const tag of tags) {
      const digest = await source.digestOf(tag, { absence: 'likely', signal });
      if (digest !== undefined) found.push(await referrer(digest, tag));
    }
  }
  return found;

  async function referrer(digest: Digest, tag: string | undefined): Promise<Referrer> {
    const manifest = await read(digest);
    const { artifactType } = artifactOf(manifest);
    const row = {
      digest,
      mediaType: manifest.mediaType,
      ...(artifactType !== undefined && { artifactType }),
      ...(tag !== undefined && { tag }),
    };
    return { row, image: await loadImage(manifest, read) };
  }
}

/** Returns whether clients get a layer elsewhere: it names addresses, and its source does not serve it. */
async function isForeign(blob: Descriptor, sources: readonly Source[], signal?: AbortSignal): Promise<boolean> {
  if (!isLeftAtItsUrls(blob)) return false;
  for (const source of sources) {
    try {
      for await (const _ of source.blob(blob, { signal })) return false;
    } catch (error) {
      if (!(error instanceof FactoryError) || error.name !== 'ImageNotFound') throw error;
    }
  }
  return true;
}
