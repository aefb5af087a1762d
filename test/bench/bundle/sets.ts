import { namespace, shape, w2, type Workload } from '../workloads.ts';

const mebi = 1024;
/** The layers of a base image of set B, for each platform. */
const layersOfBases = [4, 5, 6, 7];
const baseKibibytes = 2.25 * mebi;
const ownKibibytes = 79;

/** The images that bundles are measured with. */
export const sets = {
  A: {
    about: '30 images over 3 bases, and an index of 4 platforms with attestations',
    images: [
      ...w2,
      shape(
        'set-a',
        Array.from({ length: 4 }, () => [12, 6, 1.15]),
      ),
    ],
  },
  B: {
    about: '45 small indexes of 2 platforms with attestations, over 4 bases',
    images: Array.from({ length: 45 }, (_, i) => ({
      repository: `${namespace}/set-b-${String(i + 1).padStart(2, '0')}`,
      platforms: [0, 1].map((p) => {
        const layers = layersOfBases[i % 4] ?? 0;
        const base = Array.from({ length: layers }, (__, n) => ({
          seed: `set B base ${i % 4} ${p} ${n}`,
          mebibytes: baseKibibytes / layers / mebi,
        }));
        const own = Array.from({ length: 5 }, (__, n) => ({
          seed: `set B image ${i} ${p} ${n}`,
          mebibytes: ownKibibytes / mebi,
        }));
        return [...base, ...own];
      }),
    })),
  },
} as const satisfies Record<string, Workload>;

export type SetName = keyof typeof sets;
