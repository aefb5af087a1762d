import type { Digest } from '../oci/spec/digest.ts';

/** An image to copy, with what it may share. */
export interface WaveImage {
  /** Its repository at the target, from which others can mount. */
  repository: string;
  blobs: readonly { digest: Digest; size: number }[];
  /** True when the target has it already: others can mount from it at once. */
  present?: boolean | undefined;
}

export interface WavePlan {
  /** Indexes of images, wave by wave, largest first. A wave begins when the one before has ended. */
  waves: number[][];
  /** Per image: blobs that an image of an earlier wave uploads, with the repository to mount from. */
  mounts: ReadonlyMap<Digest, string>[];
  /** Per image: the bytes that it uploads, counted once over all images. */
  brings: number[];
}

/**
 * Blobs below this size are uploaded again: that is faster than waiting for a wave. Nearly all images share some.
 * BuildKit makes the same empty 32-byte layer of every WORKDIR, and all images would wait for one of them.
 */
const worthAWave = 64 * 1024;

/**
 * Assigns every shared blob to one image that uploads it, and puts the other images that hold it into later waves. So
 * the blob crosses the network once, even when each image is copied by another process. Several images of one wave may
 * upload a blob of fewer than `worthWaiting` bytes.
 *
 * Takes images in the order of the bytes that they upload for others. A wave holds images that upload nothing in
 * common. An image of wave n holds a blob of each wave before it, so there is at most one wave more than an image has
 * shared blobs.
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
    // Survives mutation: every index is known; only the type checker needs the defaults.
    waves.push(wave.toSorted((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0)));
  }
  return {
    waves,
    mounts: images.map(({ blobs, repository }, image) => {
      const others = blobs.flatMap(({ digest }): [Digest, string][] => {
        const bringer = bringers.get(digest) ?? image;
        const holder = images[bringer]?.repository ?? repository;
        // Survives mutation: every image has a wave; only the type checker needs the defaults.
        return holder !== repository && (waveOf[bringer] ?? 0) < (waveOf[image] ?? 0) ? [[digest, holder]] : [];
      });
      return new Map(others);
    }),
    brings: images.map(({ blobs, present }, image) =>
      present ? 0 : sum(blobs.filter(({ digest }) => (bringers.get(digest) ?? image) === image)),
    ),
  };
}

function sum(blobs: readonly { size: number }[]): number {
  return blobs.reduce((total, { size }) => total + size, 0);
}
