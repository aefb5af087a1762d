import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Plan } from '../../functions/state/documents.ts';
import { imagesOfLastRuns } from '../../functions/state/last-runs.ts';
import { RunDocuments } from '../../functions/state/run-documents.ts';
import { imageOf, planOf } from '../tasks/stage.ts';
import { MemoryStore } from './memory-store.ts';

const now = new Date('2026-11-30T02:00:00Z');
const k8 = { module: 'ci', infrastructureType: 'K8' } as const;
const copyOf = (image: string) => `reg.example/mirror/${image}`;
const digest = `sha256:${'a'.repeat(64)}` as const;
const planned = (image: string, more: object = {}) =>
  imageOf({ image, target: copyOf(image), digest, status: 'current', ...more });

let store: MemoryStore;
let runs: string[];
beforeEach(() => {
  store = new MemoryStore();
  runs = [];
});

/** A run of the day, counted back from now. */
async function ran(daysAgo: number, plan: Partial<Plan>): Promise<void> {
  const runId = `run-${runs.length}`;
  runs.push(runId);
  const startedAt = new Date(now.getTime() - daysAgo * 86_400_000).toISOString();
  await new RunDocuments(store, runId).plan.put(planOf({ runId, action: 'sync', startedAt, accountId: 'a', ...plan }));
}

async function kept(keepVersions = 1): Promise<string[]> {
  const images = await imagesOfLastRuns(store, runs, keepVersions, now);
  return [...images].map((image) => image.replace(copyOf(''), '')).toSorted();
}

describe('images of the last runs', () => {
  it('include each that no field names, until 90 days after the last run that lists it', async () => {
    await ran(90, { images: [planned('a:1', { unnamed: true })] });
    await ran(90 + 1 / 86_400_000, { images: [planned('a:2', { unnamed: true })] });
    await ran(1, { images: [planned('b:1', { unnamed: true })] });
    await ran(0, { images: [planned('b:2', { unnamed: true })] });
    expect(await kept()).toEqual(['a:1', 'b:1', 'b:2']);
  });

  it('include the newest versions of each range, and of each field', async () => {
    for (const version of [2, 4, 1, 3]) {
      const ofRange = planned(`email:${version}`, { unnamed: true, requested: 'email:*' });
      const field = { ...k8, field: 'cacheS3Tag', image: `cache:${version}` };
      await ran(10 - version, {
        images: [ofRange, planned(field.image)],
        ...(version % 2 === 0
          ? { kept: [{ ...field, value: null }] }
          : { changes: [{ ...field, from: null, to: copyOf(field.image) }] }),
      });
    }
    expect(await kept(1)).toEqual(['cache:4', 'email:4']);
    expect(await kept(2)).toEqual(['cache:3', 'cache:4', 'email:3', 'email:4']);
  });

  it('count versions, not runs', async () => {
    await ran(5, { images: [planned('email:1', { unnamed: true, requested: 'email:*' })] });
    for (const day of [4, 3, 2])
      await ran(day, { images: [planned('email:2', { unnamed: true, requested: 'email:*' })] });
    expect(await kept(2)).toEqual(['email:1', 'email:2']);
  });

  it('include all versions that one run lists for one use', async () => {
    const range = { unnamed: true, requested: 'email:*' };
    await ran(1, { images: [planned('email:1', range), planned('email:2', range)] });
    expect(await kept(1)).toEqual(['email:1', 'email:2']);
  });

  it('include what pods pull through the connector, for each field', async () => {
    const pulls = (image: string, ...fields: string[]): Partial<Plan> => ({
      pulls: [{ reference: copyOf(image), status: 'present', fields }],
    });
    await ran(3, pulls('cache:1', 'ci K8 cacheS3Tag', 'ci VM cacheS3Tag'));
    await ran(2, pulls('cache:2', 'ci K8 cacheS3Tag'));
    expect(await kept()).toEqual(['cache:1', 'cache:2']);
    await ran(1, pulls('cache:3', 'ci VM cacheS3Tag'));
    expect(await kept()).toEqual(['cache:2', 'cache:3']);
  });

  it('take no name at another registry, and no image that failed, for a version', async () => {
    for (const version of [1, 2, 3]) {
      const field = {
        ...k8,
        field: 'cacheS3Tag',
        image: `cache:${version}`,
        from: null,
        to: copyOf(`cache:${version}`),
      };
      await ran(10 - version, {
        images: [planned(field.image)],
        changes: [field],
        pulls: [{ reference: `docker.io/harness/${field.image}`, status: 'elsewhere', fields: ['ci K8 cacheS3Tag'] }],
      });
    }
    const error = { name: 'ImageNotFound', message: 'it is gone', hint: 'Wait.' };
    await ran(1, {
      images: [planned('cache:4', { status: 'failed', error })],
      changes: [{ ...k8, field: 'cacheS3Tag', image: 'cache:4', from: null, to: copyOf('cache:4') }],
    });
    expect(await kept(2)).toEqual(['cache:2', 'cache:3']);
  });

  it('include those of each account, and of runs without one', async () => {
    const range = { unnamed: true, requested: 'email:*' } as const;
    await ran(3, { images: [planned('email:1', range)], accountId: 'b' });
    await ran(2, { images: [planned('email:2', range)], action: 'import', withoutHarness: true });
    await ran(1, { images: [planned('email:3', range)] });
    expect(await kept()).toEqual(['email:1', 'email:3']);
    const last = runs.at(-2) ?? '';
    const { accountId: _, ...without } = await new RunDocuments(store, last).plan.get();
    await new RunDocuments(store, last).plan.put(without);
    expect(await kept()).toEqual(['email:1', 'email:2', 'email:3']);
  });

  it('include none of runs that copy nothing, of fields left alone, and of runs whose plan is gone', async () => {
    for (const action of ['plan', 'verify', 'reset'] as const)
      await ran(1, { action, images: [planned('a:1', { unnamed: true })] });
    await ran(1, {
      images: [planned('cache:1')],
      kept: [{ ...k8, field: 'cacheS3Tag', value: 'their.example/cache:1' }],
    });
    runs.push('gone');
    expect(await kept()).toEqual([]);
  });
});
