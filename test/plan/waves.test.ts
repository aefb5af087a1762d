import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { planWaves, type WaveImage } from '../../functions/plan/waves.ts';

const KiB = 1024;
const digestOf = (n: number) => `sha256:${String(n).padStart(64, '0')}` as Digest;

/**
 * Sizes belong to blobs, not to images; some are empty, some too small to wait for. Images may share a repository, and
 * some are at the target already.
 */
const sizeOfBlob = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 0, max: 64 * KiB }),
  fc.integer({ min: 0, max: 2 ** 30 }),
);
const images = fc
  .tuple(
    fc.array(sizeOfBlob, { minLength: 12, maxLength: 12 }),
    fc.array(
      fc.tuple(
        fc.integer({ min: 0, max: 5 }),
        fc.uniqueArray(fc.integer({ min: 0, max: 11 })),
        fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
      ),
      { maxLength: 12 },
    ),
  )
  .map(([sizes, list]) =>
    list.map(([repository, blobs, present]): WaveImage => {
      const described = blobs.map((n) => ({ digest: digestOf(n), size: sizes[n] ?? 0 }));
      return { repository: `r/${repository}`, blobs: described, present };
    }),
  );

const sizeOf = (image: WaveImage | undefined) => image?.blobs.reduce((sum, { size }) => sum + size, 0) ?? 0;
const digestsOf = (list: readonly WaveImage[]) => [
  ...new Set(list.flatMap(({ blobs }) => blobs.map(({ digest }) => digest))),
];

const isPresent = (list: readonly WaveImage[], digest: Digest) =>
  list.some(({ present, blobs }) => present && blobs.some((blob) => blob.digest === digest));

/**
 * Copies a plan with every image in a process of its own: all of one wave begin before any of it ends. Returns which
 * images uploaded each blob. A mount from where the blob is not yet fails the test.
 */
function uploads(list: readonly WaveImage[], { waves, mounts }: ReturnType<typeof planWaves>): Map<Digest, number[]> {
  const held = new Map<string, Set<Digest>>();
  const hold = ({ repository, blobs }: WaveImage) =>
    held.set(repository, (held.get(repository) ?? new Set()).union(new Set(blobs.map(({ digest }) => digest))));
  list.filter(({ present }) => present).forEach(hold);
  const uploaded = new Map<Digest, number[]>();
  for (const wave of waves) {
    for (const i of wave) {
      for (const { digest } of list[i]?.blobs ?? []) {
        const { repository = '' } = list[i] ?? {};
        const from = mounts[i]?.get(digest);
        if (from !== undefined) expect(held.get(from)).toContain(digest);
        if (from === undefined && !held.get(repository)?.has(digest))
          uploaded.set(digest, [...(uploaded.get(digest) ?? []), i]);
      }
    }
    wave.flatMap((i) => list[i] ?? []).forEach(hold);
  }
  return uploaded;
}

describe('waves', () => {
  it('hold every image once, and none is empty', () => {
    fc.assert(
      fc.property(images, (list) => {
        const { waves } = planWaves(list);
        expect(waves.flat().toSorted((a, b) => a - b)).toEqual([...list.keys()]);
        for (const wave of waves) expect(wave).not.toEqual([]);
      }),
    );
  });

  it('upload every blob once, though each image is copied by a process of its own', () => {
    fc.assert(
      fc.property(images, (list) => {
        const uploaded = uploads(list, planWaves(list, 0));
        const missing = digestsOf(list).filter((digest) => !isPresent(list, digest));
        const times = new Map([...uploaded].map(([digest, by]) => [digest, by.length]));
        expect(times).toEqual(new Map(missing.map((digest) => [digest, 1])));
      }),
    );
  });

  it('upload twice, in one wave, only what is too small to wait for', () => {
    fc.assert(
      fc.property(images, (list) => {
        const plan = planWaves(list);
        const waveOf = (i: number) => plan.waves.findIndex((wave) => wave.includes(i));
        const uploaded = uploads(list, plan);
        for (const { digest, size } of list.flatMap(({ blobs }) => blobs)) {
          const by = uploaded.get(digest) ?? [];
          expect(by.length === 0).toBe(isPresent(list, digest));
          if (size >= 64 * KiB) expect(by.length).toBeLessThanOrEqual(1);
          expect(new Set(by.map(waveOf)).size).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it('count the bytes of every blob for exactly one image, which is one that uploads it', () => {
    fc.assert(
      fc.property(images, (list) => {
        const plan = planWaves(list);
        const union = new Map(list.flatMap(({ blobs }) => blobs.map(({ digest, size }) => [digest, size] as const)));
        const missing = [...union].filter(([digest]) => !isPresent(list, digest));
        const total = missing.reduce((sum, [, size]) => sum + size, 0);
        expect(plan.brings.reduce((sum, bytes) => sum + bytes, 0)).toBe(total);
        const uploaded = uploads(list, plan);
        list.forEach(({ blobs }, i) => {
          const most = blobs.filter(({ digest }) => uploaded.get(digest)?.includes(i));
          expect(plan.brings[i]).toBeLessThanOrEqual(most.reduce((sum, { size }) => sum + size, 0));
        });
      }),
    );
  });

  it('plans at most one wave more than an image has shared blobs', () => {
    fc.assert(
      fc.property(images, (list) => {
        const users = new Map<Digest, number>();
        for (const { blobs } of list) for (const { digest } of blobs) users.set(digest, (users.get(digest) ?? 0) + 1);
        const shared = list.map(({ blobs }) => blobs.filter(({ digest }) => (users.get(digest) ?? 0) > 1).length);
        expect(planWaves(list, 0).waves.length).toBeLessThanOrEqual(1 + Math.max(0, ...shared));
      }),
    );
  });

  it('begin with the largest', () => {
    fc.assert(
      fc.property(images, (list) => {
        for (const wave of planWaves(list).waves) {
          const sizes = wave.map((i) => sizeOf(list[i]));
          expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
        }
      }),
    );
  });

  const blob = (n: number, size = 2 ** 20) => ({ digest: digestOf(n), size });
  const image = (repository: string, ...blobs: WaveImage['blobs']) => ({ repository, blobs });

  it('plans two waves where images share bases, whatever the number of bases', () => {
    const list = Array.from({ length: 30 }, (_, i) => image(`r/${i}`, blob(i % 3, 2 ** 25), blob(100 + i)));
    const { waves, brings } = planWaves(list);
    expect(waves.map((wave) => wave.length)).toEqual([3, 27]);
    expect(Math.max(...(waves[1] ?? []).map((i) => brings[i] ?? 0))).toBe(2 ** 20);
  });

  it('plans no further wave for a layer of a few bytes that all images have', () => {
    const empty = blob(99, 32);
    const list = Array.from({ length: 30 }, (_, i) => image(`r/${i}`, empty, blob(i % 3, 2 ** 25), blob(100 + i)));
    const { waves, mounts } = planWaves(list);
    expect(waves.map((wave) => wave.length)).toEqual([3, 27]);
    for (const i of waves[1] ?? []) expect(mounts[i]?.has(empty.digest)).toBe(true);
  });

  it('plans two waves along a chain: an image that shares with two others waits for both', () => {
    const list = [
      image('a', blob(1)),
      image('b', blob(1), blob(2)),
      image('c', blob(2), blob(3)),
      image('d', blob(3), blob(4)),
    ];
    const { waves, mounts } = planWaves(list);
    expect(waves).toEqual([
      [1, 3],
      [2, 0],
    ]);
    expect(mounts.map((of) => Object.fromEntries(of))).toEqual([
      { [digestOf(1)]: 'b' },
      {},
      { [digestOf(2)]: 'b', [digestOf(3)]: 'd' },
      {},
    ]);
  });

  it('plans one wave where the target has the shared blobs already', () => {
    const base = blob(1, 2 ** 25);
    const list = [{ ...image('a', base), present: true }, image('b', base), image('c', base, blob(2))];
    const { waves, mounts, brings } = planWaves(list);
    expect(waves).toEqual([[2, 0, 1]]);
    expect(mounts).toEqual([new Map(), new Map([[base.digest, 'a']]), new Map([[base.digest, 'a']])]);
    expect(brings).toEqual([0, 0, 2 ** 20]);
  });

  it('mount nothing where the blob comes to the very repository', () => {
    const { waves, mounts } = planWaves([image('a', blob(1), blob(2)), image('a', blob(1))]);
    expect(waves).toEqual([[0], [1]]);
    expect(mounts).toEqual([new Map(), new Map()]);
  });

  it('plans one wave when nothing is shared, and none for no images', () => {
    expect(planWaves([image('a', blob(1, 1)), image('b', blob(2, 2))])).toEqual({
      waves: [[1, 0]],
      mounts: [new Map(), new Map()],
      brings: [1, 2],
    });
    expect(planWaves([])).toEqual({ waves: [], mounts: [], brings: [] });
  });

  const holding = (repository: string, ...blobs: [number, number][]): WaveImage => ({
    repository,
    blobs: blobs.map(([n, size]) => ({ digest: digestOf(n), size })),
  });

  it('lets the image that offers others most go first, however much of its own it has', () => {
    const own = holding('own', [1, 900 * KiB], [2, 100 * KiB]);
    const both = holding('both', [2, 100 * KiB], [3, 200 * KiB]);
    const other = holding('other', [3, 200 * KiB]);
    expect(planWaves([own, other, both]).waves).toEqual([[2], [0, 1]]);
  });

  it('prefers the larger of two images that offer the same', () => {
    const shared: [number, number] = [1, 100 * KiB];
    expect(planWaves([holding('small', shared), holding('large', shared, [2, KiB])]).waves).toEqual([[1], [0]]);
  });

  it.each([
    [1, 64 * KiB - 1],
    [2, 64 * KiB],
  ])('plans %i waves for two images that share a blob of %i bytes', (waves, size) => {
    expect(planWaves([holding('a', [1, size]), holding('b', [1, size])]).waves).toHaveLength(waves);
  });

  it('begins a wave with its largest image', () => {
    const sizes = [3, 1, 2].map((n) => holding(`r${n}`, [n, n * KiB]));
    expect(planWaves(sizes).waves).toEqual([[0, 2, 1]]);
  });

  it('does not count what is at the target already as an offer', () => {
    const present = { ...holding('present', [1, 300 * KiB]), present: true };
    const large = holding('large', [1, 300 * KiB], [2, 70 * KiB]);
    const offering = holding('offering', [2, 70 * KiB], [3, 80 * KiB]);
    const small = holding('small', [3, 80 * KiB]);
    expect(planWaves([present, large, offering, small]).waves).toEqual([
      [0, 2],
      [1, 3],
    ]);
  });
});
