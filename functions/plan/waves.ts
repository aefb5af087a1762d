import type { Digest } from '../oci/spec/digest.ts';

/** An image that is to be copied, as far as sharing is concerned. */
export interface WaveImage {
  /** Its repository at the target, from which others can mount. */
  repository: string;
  blobs: readonly { digest: Digest; size: number }[];
  /** It is at the target already: others can mount from it at once. */
  present?: boolean | undefined;
}

export interface WavePlan {
  /** Indexes of images, wave by wave, largest first; a wave begins when the one before has ended. */
  waves: number[][];
  /** Per image: blobs that an image of an earlier wave brings, by the repository to mount from. */
  mounts: Record<Digest, string>[];
  /** Per image: the bytes that it brings, counted once over all images. */
  brings: number[];
}

/**
 * A blob of fewer bytes is sent again sooner than a wave has ended. Nearly all images share some: BuildKit makes the
 * same empty layer of every WORKDIR, and for its 32 bytes all images would have to wait for one.
 */
const worthAWave = 64 * 1024;

/**
 * Gives every blob that several images share one image that brings it, and puts all others that hold it into later
 * waves: it crosses the network once even when each image is copied by another process. A blob of fewer than
 * `worthWaiting` bytes may be brought by several images of one wave.
 *
 * Each wave takes, by the bytes they bring for others, images that bring nothing in common; so an image of wave n holds
 * a blob of each wave before it, and there are never more waves than an image has shared blobs, and one.
 */
export function planWaves(images: readonly WaveImage[], worthWaiting = worthAWave): WavePlan {
  const holders = Map.groupBy(
    images.flatMap(({ blobs }) => blobs),
    ({ digest }) => digest,
  );
  const isShared = ({ digest }: { digest: Digest }) => holders.get(digest)?.length !== 1;
  const bringers = new Map<Digest, number>();
  const sizes = images.map(({ blobs }) => sum(blobs));
  const waveOf: number[] = [];
  images.forEach(({ blobs, present }, image) => {
    if (!present) return;
    waveOf[image] = Number.NEGATIVE_INFINITY;
    for (const { digest } of blobs) bringers.set(digest, image);
  });
  const waves: number[][] = [];
  let rest = images.map(({ blobs }, image) => ({ image, size: sum(blobs), blobs: blobs.filter(isShared) }));
  while (rest.length > 0) {
    const wave: number[] = [];
    const bringsNow = (image: number | undefined) => image !== undefined && waveOf[image] === waves.length;
    const ranked = rest
      .map((image) => ({ ...image, offered: sum(image.blobs.filter(({ digest }) => !bringers.has(digest))) }))
      .toSorted((a, b) => b.offered - a.offered || b.size - a.size);
    rest = ranked.filter(({ image, blobs }) => {
      const waits = blobs.some(({ digest, size }) => size >= worthWaiting && bringsNow(bringers.get(digest)));
      if (waits) return true;
      wave.push(image);
      waveOf[image] ??= waves.length;
      for (const { digest } of blobs) if (!bringers.has(digest)) bringers.set(digest, image);
      return false;
    });
    waves.push(wave.toSorted((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0)));
  }
  return {
    waves,
    mounts: images.map(({ blobs, repository }, image) => {
      const others = blobs.flatMap(({ digest }): [Digest, string][] => {
        const bringer = bringers.get(digest) ?? image;
        const holder = images[bringer]?.repository ?? repository;
        return holder !== repository && (waveOf[bringer] ?? 0) < (waveOf[image] ?? 0) ? [[digest, holder]] : [];
      });
      return Object.fromEntries(others);
    }),
    brings: images.map(({ blobs, present }, image) =>
      present ? 0 : sum(blobs.filter(({ digest }) => (bringers.get(digest) ?? image) === image)),
    ),
  };
}

function sum(blobs: readonly { size: number }[]): number {
  return blobs.reduce((total, { size }) => total + size, 0);
}
