import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Images } from '../../infra/local/embedded/harness-api/state.ts';
import { type Factory, startFactory, statuses } from './factory.ts';

const cache = (version: string) => `plugins/cache:${version}`;
/** As short as runs get: one image, one field; and the defaults of VM out of the way. */
const choice = { include_fields: ['cacheS3Tag'] };
let factory: Factory;
beforeEach(async () => {
  factory = await startFactory();
});
afterEach(() => factory.close());

/** Harness publishes a version, and the factory syncs it. */
async function release(version: string, input: object = {}) {
  factory.publish([cache(version)]);
  factory.harness.setDefault('ci', 'K8', 'cacheS3Tag', cache(version));
  return factory.sync({ ...choice, ...input });
}

function account(): { K8: Images; VM: Images } {
  const state = factory.harness.state[factory.harness.accountId];
  if (!state) throw new TypeError();
  return state.ci;
}

const tags = () => factory.target.storage.tags('mirror/plugins/cache');

describe('copies that nothing uses', () => {
  it('are listed by plan and verify, and left where they are', async () => {
    for (const version of ['1', '2', '3', '4']) await release(version);
    for (const action of ['plan', 'verify']) {
      const report = await factory.run(action, { ...choice, keep_versions: 1 });
      expect(report.status).toBe('SUCCEEDED');
      expect(report.unused?.map(({ reference }) => reference)).toEqual(
        [1, 2].map((v) => factory.copyOf(cache(`${v}`))),
      );
    }
    expect(tags()).toEqual(['1', '2', '3', '4']);
  });

  it('are not mentioned by a sync that does not prune', async () => {
    for (const version of ['1', '2', '3', '4']) await release(version);
    expect(await release('5', { keep_versions: 1 })).not.toHaveProperty('unused');
  });

  it('are deleted by prune, except those of the last keep_versions runs that wrote', async () => {
    for (const version of ['1', '2', '3', '4']) await release(version);
    // Runs that wrote nothing do not count.
    await factory.sync(choice);
    const report = await release('5', { prune: true, keep_versions: 2 });
    expect(report.unused?.map(({ reference }) => reference)).toEqual([1].map((v) => factory.copyOf(cache(`${v}`))));
    expect(tags()).toEqual(['2', '3', '4', '5']);
    const again = await factory.sync({ ...choice, prune: true, keep_versions: 1 });
    expect(again.unused?.map(({ reference }) => reference)).toEqual([2, 3].map((v) => factory.copyOf(cache(`${v}`))));
    expect(tags()).toEqual(['4', '5']);
  });

  it.each([
    ['a field of VM', () => (account().VM = { cacheS3Tag: factory.copyOf(cache('1')) })],
    [
      'another module',
      () => {
        const state = factory.harness.state[factory.harness.accountId];
        if (state) state.iacm.K8 = { iacmTerraform: factory.copyOf(cache('1')) };
      },
    ],
    [
      'a tag that the user gave the same image',
      () => {
        const digest = factory.target.storage.resolve('mirror/plugins/cache', '1') as string;
        factory.target.storage.tag('mirror/plugins/cache', 'approved', digest);
        account().VM = { cacheS3Tag: factory.copyOf(cache('approved')) };
      },
    ],
  ])('stay while %s uses them', async (_, use) => {
    for (const version of ['1', '2', '3']) await release(version);
    use();
    const report = await release('4', { prune: true, keep_versions: 1 });
    expect(report.status).toBe('SUCCEEDED');
    expect(tags()).toContain('1');
  });

  it('stay while they are what another account’s last run wrote', async () => {
    const { runId } = await release('1');
    const key = `runs/${runId}/snapshot.json`;
    const snapshot = await factory.document<object>(key);
    await factory.store.put(key, Buffer.from(JSON.stringify({ ...snapshot, accountId: 'another' })));
    for (const version of ['2', '3', '4']) await release(version);
    await release('5', { prune: true, keep_versions: 1 });
    expect(tags()).toEqual(['1', '3', '4', '5']);
  });

  it('stay when they are used between plan and prune', async () => {
    for (const version of ['1', '2', '3']) await release(version);
    factory.store.onPut = (key) => {
      if (key.endsWith('/config.json')) account().VM = { cacheS3Tag: factory.copyOf(cache('1')) };
    };
    await release('4', { prune: true, keep_versions: 1 });
    expect(tags()).toContain('1');
  });

  it('stay when they are part of an index that is used', async () => {
    await release('1');
    const index = JSON.parse(factory.target.storage.manifest('mirror/plugins/cache', '1')?.bytes.toString() ?? '') as {
      manifests?: { digest: string }[];
    };
    const child = index.manifests?.[0]?.digest;
    if (child === undefined) throw new TypeError('the sample is no index');
    // Mirrored by itself once, under a tag of its own, as Harness publishes platforms.
    factory.source.storage.tag('plugins/cache', '1-linux-amd64', child);
    await factory.sync({ ...choice, extra_images: [cache('1-linux-amd64')] });
    const report = await factory.sync({ ...choice, prune: true, keep_versions: 1 });
    expect(report.unused).toBeUndefined();
    expect(factory.target.storage.manifest('mirror/plugins/cache', child)).toBeDefined();
  });

  it('are none of ours when somebody else put them there', async () => {
    factory.publish([cache('1')]);
    const image = factory.publish([cache('0')])[0];
    if (!image) throw new TypeError();
    factory.target.putImage('mirror/plugins/cache', '0', image);
    factory.harness.setDefault('ci', 'K8', 'cacheS3Tag', cache('0'));
    const first = await factory.sync(choice);
    expect(first.images[0]?.status).toBe('skipped');
    for (const version of ['1', '2', '3', '4']) await release(version);
    await factory.sync({ ...choice, prune: true, keep_versions: 1 });
    expect(tags()).toEqual(['0', '3', '4']);
  });

  it('are not looked for with a key that may not see who uses them, and the run goes on', async () => {
    for (const version of ['1', '2', '3']) await release(version);
    factory.harness.quirks.failNext = [{ count: 100, status: 403, path: '/idp/', body: { status: 'ERROR' } }];
    const report = await release('4', { prune: true, keep_versions: 1 });
    expect(report.status).toBe('SUCCEEDED');
    expect(report.warnings).toEqual([expect.stringContaining('unused copies could not be looked for')]);
    expect(tags()).toEqual(['1', '2', '3', '4']);
  });

  it('that cannot be deleted are a warning, for the switch is done', async () => {
    for (const version of ['1', '2', '3']) await release(version);
    factory.target.quirks.noDelete = true;
    const report = await release('4', { prune: true, keep_versions: 1 });
    expect(report.status).toBe('SUCCEEDED');
    expect(report.warnings).toEqual([expect.stringMatching(/^prune stopped: /)]);
    expect(factory.overrides()).toEqual({ cacheS3Tag: factory.copyOf(cache('4')) });
  });
});

describe('overrides of fields that Harness has no more', () => {
  beforeEach(async () => {
    account().K8 = { goneTag: factory.copyOf('harness/gone:1'), foreignTag: 'registry.corp.example/x:1' };
  });

  it('are told', async () => {
    const report = await factory.sync(choice);
    expect(report.config.find(({ field }) => field === 'goneTag')).toMatchObject({
      status: 'unchanged',
      reason: expect.stringContaining('prune: true'),
    });
    expect(report.config.find(({ field }) => field === 'foreignTag')).toBeUndefined();
  });

  it('are taken away with prune', async () => {
    factory.store.onPut = (key) => {
      // Harness's setter knows fields for longer than its list of images shows them.
      if (key.endsWith('/plan.json')) factory.harness.setDefault('ci', 'K8', 'goneTag', 'harness/gone:1');
    };
    const report = await factory.sync({ ...choice, prune: true });
    expect(report.error).toBeUndefined();
    expect(statuses(report)).toEqual({ 'ci K8 cacheS3Tag': 'updated', 'ci K8 goneTag': 'reset' });
    expect(factory.overrides()).toEqual({
      cacheS3Tag: factory.copyOf(cache('1.10.12')),
      foreignTag: 'registry.corp.example/x:1',
    });
  });

  it('are tried with prune; that Harness refuses it does not undo the switch', async () => {
    const report = await factory.sync({ ...choice, prune: true });
    expect(report.status).toBe('SUCCEEDED');
    expect(statuses(report)).toEqual({ 'ci K8 cacheS3Tag': 'updated', 'ci K8 goneTag': 'rejected' });
  });
});
