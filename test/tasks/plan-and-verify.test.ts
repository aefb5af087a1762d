import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Factory, k8Images, pullThrough, startFactory, statuses } from './factory.ts';

let factory: Factory;
beforeEach(async () => {
  factory = await startFactory();
});
afterEach(() => factory.close());

describe('plan', () => {
  it('shows what sync would do, and writes neither to Harness nor to a registry', async () => {
    const plan = await factory.run('plan', { infrastructure_type: ['K8', 'VM'] });
    expect(plan.status).toBe('SUCCEEDED');
    expect(new Set(Object.values(statuses(plan)))).toEqual(new Set(['planned']));
    expect(factory.writes()).toEqual([]);
    expect(factory.target.requests.filter(({ method }) => method !== 'HEAD')).toEqual([]);
    const sync = await factory.sync({ infrastructure_type: ['K8', 'VM'] });
    expect(plan.images.map(({ image, digest }) => [image, digest])).toEqual(
      sync.images.map(({ image, digest }) => [image, digest]),
    );
    // Blobs that images share are counted once, as they are moved once.
    expect(plan.totals.bytesTransferred).toBe(sync.totals.bytesTransferred);
    expect(plan.config.map(({ status: _, ...row }) => row)).toEqual(sync.config.map(({ status: _, ...row }) => row));
  });

  it('plans no switch with modify_default: false', async () => {
    const plan = await factory.run('plan', { modify_default: false });
    expect(new Set(Object.values(statuses(plan)))).toEqual(new Set(['unchanged']));
  });
});

describe('verify', () => {
  it('agrees after a sync, and reads no image', async () => {
    await factory.sync();
    factory.target.requests.length = 0;
    const report = await factory.run('verify');
    expect(report.status).toBe('SUCCEEDED');
    expect(new Set(factory.target.requests.map(({ method }) => method))).toEqual(new Set(['HEAD']));
    expect(report.totals).toMatchObject({ images: k8Images.length, skipped: k8Images.length });
  });

  it.each([
    [
      'a missing image',
      () => factory.target.storage.deleteTag('mirror/plugins/cache', '1.10.12'),
      'is not at the registry as',
    ],
    [
      'another image under the tag',
      () => {
        const other = factory.target.storage.resolve('mirror/plugins/cache', '1.10.12') as string;
        factory.target.storage.deleteManifest('mirror/plugins/cache', other);
        const [image] = factory.publish(['plugins/cache:other']);
        if (image) factory.target.storage.putImage('mirror/plugins/cache', '1.10.12', image);
      },
      'is not at the registry as',
    ],
    [
      'a field that was reset',
      () => {
        const account = factory.harness.state[factory.harness.accountId];
        delete account?.ci.K8['cacheS3Tag'];
      },
      'ci K8 cacheS3Tag is not overridden, not ',
    ],
    [
      'an old version that is gone',
      () => {
        const account = factory.harness.state[factory.harness.accountId];
        if (account) account.ci.K8['cacheS3Tag'] = factory.copyOf('plugins/cache:0');
      },
      'plugins/cache:0 is not at the registry',
    ],
  ])('reports %s, and mends nothing', async (_, damage, message) => {
    await factory.sync();
    damage();
    factory.harness.requests.length = 0;
    const report = await factory.run('verify');
    expect(report.status).toBe('FAILED');
    expect(report.error).toMatchObject({ name: 'DriftFound', hint: 'Run sync to repair it.' });
    expect(report.error?.message).toContain(message);
    expect(factory.writes()).toEqual([]);
    expect((await factory.sync()).status).toBe('SUCCEEDED');
    expect((await factory.run('verify')).status).toBe('SUCCEEDED');
  });

  it('reports a connector through which Harness pulls something else by now', async () => {
    await factory.sync();
    pullThrough(factory.harness, 'https://us-docker.pkg.dev/gar-prod-setup/harness-public');
    const report = await factory.run('verify');
    expect(report.error?.name).toBe('DriftFound');
    const copy = factory.copyOf('plugins/cache:1.10.12');
    expect(report.error?.message).toContain(
      `Harness would pull us-docker.pkg.dev/gar-prod-setup/harness-public/${copy} instead of ${copy}, through account.harnessImage`,
    );
  });

  it('notes that the connector is not visible, and agrees all the same', async () => {
    await factory.sync();
    factory.harness.quirks.failNext = [{ count: 1, status: 403, path: '/connectors/' }];
    expect((await factory.run('verify')).status).toBe('SUCCEEDED');
  });

  it('lists and counts every difference', async () => {
    const report = await factory.run('verify');
    // Six fields, five images.
    expect(report.error?.message).toMatch(/^11 differences: /);
    expect(new Set(Object.values(statuses(report)))).toEqual(new Set(['planned']));
    expect(report.config).toContainEqual(
      expect.objectContaining({ field: 'cacheS3Tag', from: null, to: factory.copyOf('plugins/cache:1.10.12') }),
    );
  });
});
