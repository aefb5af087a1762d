import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Digest } from '../../functions/oci/digest.ts';
import { planWaves, type WaveImage } from '../../functions/plan/waves.ts';

const digestOf = (n: number) => `sha256:${String(n).padStart(64, '0')}` as Digest;

/** Sizes belong to blobs, not to images; some are empty. Several images may live in one repository. */
const images = fc
  .tuple(
    fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 12, maxLength: 12 }),
    fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.uniqueArray(fc.integer({ min: 0, max: 11 }))), {
      maxLength: 12,
    }),
  )
  .map(([sizes, list]) =>
    list.map(([repository, blobs]): WaveImage => {
      return { repository: `r/${repository}`, blobs: blobs.map((n) => ({ digest: digestOf(n), size: sizes[n] ?? 0 })) };
    }),
  );

const has = (image: WaveImage | undefined, digest: string) =>
  image?.blobs.some((blob) => blob.digest === digest) ?? false;

describe('waves', () => {
  it('hold every image once', () => {
    fc.assert(
      fc.property(images, (list) => {
        const { owners, followers } = planWaves(list);
        expect([...owners, ...followers].toSorted((a, b) => a - b)).toEqual([...list.keys()]);
      }),
    );
  });

  it('put an owner of every shared blob into the first: followers share nothing that no owner brings', () => {
    fc.assert(
      fc.property(images, (list) => {
        const { owners } = planWaves(list);
        const digests = new Set(list.flatMap(({ blobs }) => blobs.map(({ digest }) => digest)));
        for (const digest of digests) {
          const sharers = [...list.keys()].filter((i) => has(list[i], digest));
          if (sharers.length > 1) expect(sharers.some((i) => owners.includes(i))).toBe(true);
        }
      }),
    );
  });

  it('count the bytes of every blob for exactly one image', () => {
    fc.assert(
      fc.property(images, (list) => {
        const union = new Map(list.flatMap(({ blobs }) => blobs.map(({ digest, size }) => [digest, size] as const)));
        const total = [...union.values()].reduce((sum, size) => sum + size, 0);
        expect(planWaves(list).brings.reduce((sum, bytes) => sum + bytes, 0)).toBe(total);
      }),
    );
  });

  it('let followers mount every shared blob from another repository in the first wave that holds it', () => {
    fc.assert(
      fc.property(images, (list) => {
        const { owners, followers, mounts } = planWaves(list);
        for (const i of owners) expect(mounts[i]).toEqual({});
        for (const i of followers) {
          for (const [digest, repository] of Object.entries(mounts[i] ?? {})) {
            expect(has(list[i], digest)).toBe(true);
            expect(repository).not.toBe(list[i]?.repository);
            expect(owners.some((o) => list[o]?.repository === repository && has(list[o], digest))).toBe(true);
          }
          // Each shared blob is mounted, or is brought to the very repository.
          for (const { digest } of list[i]?.blobs ?? []) {
            const others = [...list.keys()].filter((o) => o !== i && has(list[o], digest));
            if (others.length === 0) expect(mounts[i]).not.toHaveProperty([digest]);
            else if (!others.some((o) => list[o]?.repository === list[i]?.repository))
              expect(mounts[i]).toHaveProperty([digest]);
          }
        }
      }),
    );
  });

  it('begin with the largest', () => {
    fc.assert(
      fc.property(images, (list) => {
        const size = (i: number) => list[i]?.blobs.reduce((sum, blob) => sum + blob.size, 0) ?? 0;
        for (const wave of [planWaves(list).owners, planWaves(list).followers]) {
          const sizes = wave.map(size);
          expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
        }
      }),
    );
  });

  it('end also where shared blobs are empty', () => {
    const blobs = [{ digest: digestOf(1), size: 0 }];
    expect(
      planWaves([
        { repository: 'a', blobs },
        { repository: 'b', blobs },
      ]),
    ).toEqual({
      owners: [0],
      followers: [1],
      mounts: [{}, { [digestOf(1)]: 'a' }],
      brings: [0, 0],
    });
  });

  it('are one when nothing is shared', () => {
    const one = { repository: 'a', blobs: [{ digest: digestOf(1), size: 1 }] };
    const two = { repository: 'b', blobs: [{ digest: digestOf(2), size: 2 }] };
    expect(planWaves([one, two])).toEqual({ owners: [], followers: [1, 0], mounts: [{}, {}], brings: [1, 2] });
    expect(planWaves([])).toEqual({ owners: [], followers: [], mounts: [], brings: [] });
  });
});
