import type { Digest } from '../oci/digest.ts';

/** An image that is to be copied, as far as sharing is concerned. */
export interface WaveImage {
  /** Its repository at the target, from which others can mount. */
  repository: string;
  blobs: readonly { digest: Digest; size: number }[];
}

export interface Wave {
  /** Indexes of the images that bring every shared blob, largest first. */
  owners: number[];
  /** Indexes of the rest, largest first. */
  followers: number[];
  /**
   * Per image: blobs that an owner brings, by the repository to mount from. Only followers have them: what another
   * owner brings may not have arrived yet.
   */
  mounts: Record<Digest, string>[];
  /** Per image: the bytes that it brings, counted once over all images. */
  brings: number[];
}

/**
 * Gives every blob that several images share one owner, so that it crosses the network once even when each image is
 * copied by another process. Owners are chosen greedily, by the bytes they can bring for others.
 */
export function planWaves(images: readonly WaveImage[]): Wave {
  const sharers = new Map<Digest, number[]>();
  images.forEach(({ blobs }, i) => {
    for (const { digest } of blobs) sharers.set(digest, [...(sharers.get(digest) ?? []), i]);
  });
  const unowned = new Map([...sharers].filter(([, users]) => users.length > 1));
  const owner = new Map<Digest, number>();
  while (unowned.size > 0) {
    const next = largest(images.keys(), (i) => {
      const offered = images[i]?.blobs.filter(({ digest }) => unowned.has(digest)) ?? [];
      // The count keeps images of empty blobs apart from images that offer nothing.
      return sum(offered) + offered.length;
    });
    for (const { digest } of images[next]?.blobs ?? []) {
      if (unowned.delete(digest)) owner.set(digest, next);
    }
  }
  const owners = new Set(owner.values());
  const bySize = [...images.keys()].toSorted((a, b) => sum(images[b]?.blobs ?? []) - sum(images[a]?.blobs ?? []));
  return {
    owners: bySize.filter((i) => owners.has(i)),
    followers: bySize.filter((i) => !owners.has(i)),
    mounts: images.map(({ blobs, repository }, i) => {
      if (owners.has(i)) return {};
      const others = blobs.flatMap(({ digest }): [Digest, string][] => {
        const from = owner.get(digest);
        const holder = from === undefined ? undefined : images[from]?.repository;
        return holder === undefined || holder === repository ? [] : [[digest, holder]];
      });
      return Object.fromEntries(others);
    }),
    brings: images.map(({ blobs }, i) => sum(blobs.filter(({ digest }) => (owner.get(digest) ?? i) === i))),
  };
}

function sum(blobs: readonly { size: number }[]): number {
  return blobs.reduce((total, { size }) => total + size, 0);
}

function largest(indexes: Iterable<number>, weigh: (index: number) => number): number {
  let best = -1;
  let weight = -1;
  for (const index of indexes) {
    const w = weigh(index);
    if (w > weight) [best, weight] = [index, w];
  }
  return best;
}
