import { type Descriptor, ImageStore, type Platform, unknown } from './image-store.ts';

/** An image that is to be copied, and what the target must hold then. */
export interface BenchImage {
  repository: string;
  tag: string;
  /** Digests of its manifests, the root first. */
  digests: string[];
}

interface LayerShape {
  /** Absent: a layer of zeros. */
  seed?: string;
  mebibytes: number;
}

interface ImageShape {
  repository: string;
  /** The layers of each platform; several make an index, with an attestation for each. */
  platforms: LayerShape[][];
}

export interface Workload {
  about: string;
  images: readonly ImageShape[];
  /** The target holds everything already, and the command has run before. */
  unchanged?: true;
  /** Measures the memory of the factory alone, with a target that keeps digests in place of blobs. */
  memoryOnly?: true;
}

/** The content of a workload. */
export interface Prepared {
  images: BenchImage[];
  /** Bytes of the blobs, each counted once. */
  blobBytes: number;
}

const tag = '1.0.0';
/** All images are in one namespace, as a registry's are that belongs to one team. */
export const namespace = 'bench';

/** The images of W2. */
export const w2: ImageShape[] = Array.from({ length: 30 }, (_, i) => {
  const own = [4, 1, 0.06].map((mebibytes, n) => ({ seed: `w2 image ${i} ${n}`, mebibytes }));
  const base = [30, 10, 5].map((mebibytes, n) => ({ seed: `w2 base ${i % 3} ${n}`, mebibytes }));
  return { repository: `${namespace}/w2-${String(i + 1).padStart(2, '0')}`, platforms: [[...base, ...own]] };
});

/** The workloads. Their sizes are those of the study behind the design, so that numbers can be compared. */
export const workloads = {
  W1: { about: 'one image, 5 layers of 40 MiB', images: [shape('w1', [[40, 40, 40, 40, 40]])] },
  W2: { about: '30 images over 3 bases: 287 MiB, without sharing 1503 MiB', images: w2 },
  W3: {
    about: 'one index, 4 platforms with attestations: 24 blobs',
    images: [
      shape(
        'w3',
        Array.from({ length: 4 }, () => [6, 3, 1]),
      ),
    ],
  },
  W4: { about: 'one layer of 2 GiB', images: [shape('w4', [[2048]])] },
  unchanged: { about: 'the images of W2, all there already', images: w2, unchanged: true },
  'memory-100MiB': memory(100),
  'memory-10GiB': memory(10 * 1024),
} as const satisfies Record<string, Workload>;

export type WorkloadName = keyof typeof workloads;

function memory(mebibytes: number): Workload {
  const image = { repository: `${namespace}/memory`, platforms: [[{ mebibytes }]] };
  return { about: `one layer of ${mebibytes} MiB, for peak RSS`, images: [image], memoryOnly: true };
}

const architectures = ['amd64', 'arm64', 'ppc64le', 's390x'];

/** Returns the shape of an image of these layers, in MiB for each platform. */
export function shape(name: string, platforms: readonly (readonly number[])[]): ImageShape {
  const layer = (mebibytes: number, p: number, n: number) => ({ seed: `${name} ${p} ${n}`, mebibytes });
  return {
    repository: `${namespace}/${name}`,
    platforms: platforms.map((sizes, p) => sizes.map((mebibytes, n) => layer(mebibytes, p, n))),
  };
}

/**
 * Writes a workload's images into a folder that a registry can serve. `scale` shrinks the layers, for a quick trial.
 */
export async function prepare(
  { images }: Workload,
  folder: string,
  scale: number,
  signal?: AbortSignal,
): Promise<Prepared> {
  const store = new ImageStore(folder, signal);
  const prepared: BenchImage[] = [];
  for (const image of images) prepared.push(await addImage(store, image, scale));
  return { images: prepared, blobBytes: store.blobBytes };
}

async function addImage(store: ImageStore, image: ImageShape, scale: number): Promise<BenchImage> {
  const { repository, platforms } = image;
  const whole = platforms.length === 1 ? tag : undefined;
  const members: { descriptor: Descriptor; platform: Platform }[] = [];
  for (const [p, shapes] of platforms.entries()) {
    const platform = { os: 'linux', architecture: architectures[p] ?? 'amd64' };
    const layers = [];
    for (const { seed, mebibytes } of shapes) {
      const bytes = Math.ceil(mebibytes * 1024 * 1024 * scale);
      layers.push(await (seed === undefined ? store.zeros(repository, bytes) : store.layer(repository, seed, bytes)));
    }
    members.push({ descriptor: await store.image(repository, platform, layers, whole), platform });
  }
  const digests = () => members.map(({ descriptor }) => descriptor.digest);
  if (whole !== undefined) return { repository, tag, digests: digests() };
  const attestations: typeof members = [];
  for (const { descriptor } of members) {
    attestations.push({ descriptor: await store.attestation(repository, descriptor), platform: unknown });
  }
  members.push(...attestations);
  const manifests = members.map(({ descriptor, platform }) => ({ ...descriptor, platform }));
  const index = await store.index(repository, manifests, tag);
  return { repository, tag, digests: [index.digest, ...digests()] };
}
