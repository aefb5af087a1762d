import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Plan } from '../../functions/state/documents.ts';
import { type Factory, imageStatuses, startFactory, statuses } from './factory.ts';

const choice = { include_fields: ['cacheS3Tag', 'gitCloneTag'] };
const cache = 'plugins/cache:1.10.12';
const git = 'harness/drone-git:1.7.25-rootless';

let factory: Factory;
let folder: string;
let bundle: string;
beforeEach(async () => {
  factory = await startFactory({ samples: {} });
  folder = await mkdtemp(join(tmpdir(), 'carriage-'));
  bundle = join(folder, 'harness.tar');
});
afterEach(async () => {
  await factory.close();
  await rm(folder, { recursive: true });
});
const planOf = (runId: string) => factory.document<Plan>(`runs/${runId}/plan.json`);

/** Exports the image of one field. */
async function exportCache(): Promise<void> {
  expect(await factory.run('export', { include_fields: ['cacheS3Tag'], bundle })).toMatchObject({
    status: 'SUCCEEDED',
    harness: 'unchanged',
    bundle: { address: bundle, id: expect.stringMatching(/^[0-9a-f]{64}$/) },
    images: [{ image: expect.stringContaining(cache), status: 'exported' }],
  });
}

describe('an import', () => {
  it('switches the fields whose image the bundle has, and lists the others as needed', async () => {
    await exportCache();
    const report = await factory.run('import', { ...choice, bundle }, { runId: 'import-1' });
    expect(report).toMatchObject({ status: 'SUCCEEDED', harness: 'switched', bundle: { address: bundle } });
    expect(Object.values(imageStatuses(report))).toEqual(['imported']);
    expect(factory.overrides()).toEqual({ cacheS3Tag: factory.copyOf(cache) });
    expect(statuses(report)).toEqual({ 'ci K8 cacheS3Tag': 'updated', 'ci K8 gitCloneTag': 'unchanged' });
    expect(report.config.find(({ field }) => field === 'gitCloneTag')?.reason).toBe(`${git} is not in the bundle`);
    expect(report.needed).toEqual([
      { image: git, fields: [{ module: 'ci', infrastructureType: 'K8', field: 'gitCloneTag' }] },
    ]);
    const needs = await factory.document<{ images: object }>('runs/import-1/needs.json');
    expect(needs.images).toEqual([{ image: git, roles: report.needed?.[0]?.fields }]);
    expect(await planOf('import-1')).not.toHaveProperty('withoutHarness');
  });

  it('writes no list of needed images where the bundle has all', async () => {
    await exportCache();
    await factory.run('import', { include_fields: ['cacheS3Tag'], bundle }, { runId: 'import-1' });
    expect(await factory.store.get('runs/import-1/needs.json')).toBeUndefined();
  });

  it('pushes alone where no API key is set', async () => {
    await exportCache();
    const keyless = await startFactory({ environment: { HARNESS_API_KEY: undefined } });
    try {
      const report = await keyless.run('import', { bundle }, { runId: 'import-1' });
      expect(report).toMatchObject({ status: 'SUCCEEDED', harness: 'unchanged', config: [] });
      expect(report).not.toHaveProperty('accountId');
      expect(Object.values(imageStatuses(report))).toEqual(['imported']);
      expect(await keyless.document<Plan>('runs/import-1/plan.json')).toMatchObject({ withoutHarness: true });
      expect(keyless.harness.requests).toEqual([]);
      // Without Harness, no copy is known to be unused.
      const plan = await keyless.run('plan', { bundle });
      expect(plan).toMatchObject({ status: 'SUCCEEDED' });
      expect(plan).not.toHaveProperty('unused');
      expect(keyless.harness.requests).toEqual([]);
    } finally {
      await keyless.close();
    }
  });
});

describe('a plan of a bundle', () => {
  it('shows what an import would do, and writes nothing', async () => {
    await exportCache();
    const report = await factory.run('plan', { ...choice, bundle });
    expect(report).toMatchObject({ status: 'SUCCEEDED', bundle: { address: bundle }, needed: [{ image: git }] });
    expect(statuses(report)).toEqual({ 'ci K8 cacheS3Tag': 'planned', 'ci K8 gitCloneTag': 'unchanged' });
    expect(factory.writes()).toEqual([]);
    expect(factory.target.storage.repositories()).toEqual([]);
  });

  it('lists what Harness needs, without a look at a registry', async () => {
    const report = await factory.run('plan', { ...choice, bundle: 'none' });
    expect(report).toMatchObject({ status: 'SUCCEEDED', images: [], config: [] });
    expect(report.needed?.map(({ image }) => image)).toEqual([git, cache]);
    expect([...factory.source.requests, ...factory.target.requests]).toEqual([]);
  });
});

describe('a verify of a bundle', () => {
  it('reads the bundle alone', async () => {
    await exportCache();
    factory.harness.requests.length = 0;
    expect(await factory.run('verify', { bundle })).toMatchObject({ status: 'SUCCEEDED', bundle: { address: bundle } });
    expect(factory.harness.requests).toEqual([]);
    expect(factory.target.requests).toEqual([]);
  });
});
