import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Report } from '../../functions/state/documents.ts';
import { summaryOf } from '../../infra/local/summary.ts';
import { artifact } from '../oci/stored-images.ts';
import { stopClock } from '../state/clock.ts';
import { type Factory, ownWarnings, startFactory, statuses } from './factory.ts';

describe('one tag', () => {
  const image = 'harness/sto-plugin:latest';
  const choice = { include_fields: ['securityTag'] };
  const soak = { ...choice, soak_days: 7 };

  let factory: Factory;
  let before: string | undefined;
  /** A field is at a floating tag, which then moves at the source. */
  beforeEach(async () => {
    factory = await startFactory({ samples: {} });
    await factory.sync(choice);
    before = factory.arrived(image);
    factory.publish([image], { revision: 1 });
  });
  afterEach(() => factory.close());

  /** All that was seen so far was seen that many days earlier. */
  async function wait(days: number): Promise<void> {
    const seen = Buffer.from((await factory.store.get('first-seen.json')) ?? []).toString();
    const earlier = seen.replaceAll(/\d{4}-\d{2}-\d{2}T[\d:.]+Z/g, (at) =>
      new Date(Date.parse(at) - days * 86_400_000).toISOString(),
    );
    await factory.store.put('first-seen.json', Buffer.from(earlier));
  }

  const held = () => factory.target.storage.manifest('mirror/harness/sto-plugin', factory.official(image) ?? '');

  it('a tag that moved soaks: the new image is copied at once, and the tag stays for Harness to pull', async () => {
    expect(factory.official(image)).not.toBe(before);
    const report = await factory.sync(soak);
    expect(report.error).toBeUndefined();
    expect(report.images).toMatchObject([
      { image, status: 'copied', target: `${factory.registry}/harness/sto-plugin@${factory.official(image)}` },
    ]);
    expect(held()).toBeDefined();
    expect(factory.arrived(image)).toBe(before);
    expect(report.config).toMatchObject([
      {
        field: 'securityTag',
        status: 'unchanged',
        reason: expect.stringMatching(/was moved; the new one soaks until \d{4}-/),
      },
    ]);
  });

  it('copies nothing again while an image soaks, and reports no drift', async () => {
    await factory.sync(soak);
    factory.target.requests.length = 0;
    const report = await factory.sync(soak);
    expect(report.images).toMatchObject([{ image, status: 'skipped' }]);
    expect(factory.target.requests.filter(({ method }) => method !== 'HEAD')).toEqual([]);
    expect((await factory.run('verify', soak)).error).toBeUndefined();
    factory.target.storage.deleteTag('mirror/harness/sto-plugin', 'latest');
    expect((await factory.run('verify', soak)).error?.name).toBe('DriftFound');
  });

  it('the tag follows when the new image has soaked, and no blob crosses again', async () => {
    await factory.sync(soak);
    await wait(6);
    await factory.sync(soak);
    expect(factory.arrived(image)).toBe(before);
    await wait(1);
    const report = await factory.sync(soak);
    expect(report.error).toBeUndefined();
    expect(report.totals.bytesTransferred).toBe(0);
    expect(factory.arrived(image)).toBe(factory.official(image));
    expect((await factory.run('verify', soak)).error).toBeUndefined();
  });

  it('a field that does not use the tag yet is switched when the new image has soaked', async () => {
    await factory.run('reset');
    await factory.sync(soak);
    await wait(7);
    expect(statuses(await factory.sync(soak))).toEqual({ 'ci K8 securityTag': 'updated' });
    expect(factory.arrived(image)).toBe(factory.official(image));
  });

  it('an image that soaks is in use: prune leaves it', async () => {
    await factory.sync(soak);
    const report = await factory.sync({ ...soak, prune: true, keep_versions: 1 });
    expect(report.unused).toBeUndefined();
    expect(held()).toBeDefined();
    expect(factory.arrived(image)).toBe(before);
  });

  it('copies signatures that appear while an image soaks', async () => {
    await factory.sync(soak);
    const [subject] = factory.publish([image], { revision: 1 });
    const signature = artifact('application/vnd.dev.cosign.artifact.sig.v1+json', Buffer.from('signed'), subject);
    factory.source.storage.putImage('harness/sto-plugin', undefined, signature);
    const report = await factory.sync({ ...soak, referrers: 'signatures' });
    expect(report.error).toBeUndefined();
    expect(factory.target.storage.manifest('mirror/harness/sto-plugin', signature.digest)).toBeDefined();
    expect(factory.arrived(image)).toBe(before);
  });

  it('moves the tag at once without soak_days', async () => {
    await factory.sync(choice);
    expect(factory.arrived(image)).toBe(factory.official(image));
  });
});

describe('night by night', () => {
  const addon = (version: string) => `harness/ci-addon:${version}`;
  const engine = (version: string) => `harness/ci-lite-engine:${version}`;
  const floating = 'harness/sto-plugin:latest';
  const soak = { include_fields: ['addonTag', 'liteEngineTag', 'securityTag'], soak_days: 14 };

  let factory: Factory;
  beforeEach(async () => {
    stopClock(Date.parse('2026-01-01T02:00:00Z'));
    factory = await startFactory({ samples: {} });
  });
  afterEach(async () => {
    jest.useRealTimers();
    await factory.close();
  });

  /** Goes to the night after `n` days, and releases a version and a floating image first if `version` names one. */
  function night(n: number, version?: string): void {
    jest.setSystemTime(Date.parse('2026-01-01T02:00:00Z') + n * 86_400_000);
    if (version === undefined) return;
    factory.publish([addon(version), engine(version)]);
    factory.publish([floating], { revision: n });
    factory.harness.setDefault('ci', 'K8', 'addonTag', addon(version));
    factory.harness.setDefault('ci', 'K8', 'liteEngineTag', engine(version));
  }

  /** Runs a sync, and expects it to succeed. */
  async function sync(more: object = {}): Promise<Report> {
    const report = await factory.sync({ ...soak, ...more });
    expect(report.error).toBeUndefined();
    expect(ownWarnings(report)).toEqual([]);
    return report;
  }

  it('switches every week to the release that has soaked, with prune, and reports those that soak', async () => {
    const floats: (string | undefined)[] = [];
    for (let week = 0; week < 7; week++) {
      night(7 * week, `1.18.${week}`);
      floats.push(factory.official(floating));
      const report = await sync({ prune: true, keep_versions: 1 });
      const { addonTag, liteEngineTag, securityTag } = factory.overrides();
      const waiting = [week - 2, week - 1, week].filter((each) => each >= 0).map((each) => `1.18.${each}`);
      const tags = factory.target.storage.tags('mirror/harness/ci-addon');
      expect(tags).toEqual(expect.arrayContaining(waiting));
      expect(tags).not.toContain(`1.18.${week - 5}`);
      const digests = floats.slice(-3).filter((digest) => digest !== undefined);
      for (const digest of digests) {
        expect(factory.target.storage.manifest('mirror/harness/sto-plugin', digest)).toBeDefined();
      }
      if (week < 2) {
        expect(factory.overrides()).toEqual({});
      } else {
        const version = `1.18.${week - 2}`;
        expect({ addonTag, liteEngineTag, securityTag }).toEqual({
          addonTag: factory.copyOf(addon(version)),
          liteEngineTag: factory.copyOf(engine(version)),
          securityTag: factory.copyOf(floating),
        });
        expect(factory.arrived(floating)).toBe(floats[week - 2]);
        expect(report.config.filter(({ status }) => status === 'updated')).toHaveLength(week === 2 ? 3 : 2);
      }
      expect(report.soaking).toHaveLength(week === 0 ? 3 : 6);
      expect(report.soaking?.at(-1)).toMatchObject({
        until: new Date(Date.now() + 14 * 86_400_000).toISOString().slice(0, 10),
      });
      expect((await factory.run('verify', soak)).error).toBeUndefined();
    }
  });

  it('copies nothing and sends no GET on a night on which nothing ripens', async () => {
    for (let week = 0; week < 4; week++) {
      night(7 * week, `1.18.${week}`);
      await sync();
    }
    night(22);
    factory.target.requests.length = 0;
    factory.source.requests.length = 0;
    const report = await sync();
    expect(report.config.filter(({ status }) => status !== 'unchanged')).toEqual([]);
    const requests = [...factory.target.requests, ...factory.source.requests];
    expect(requests.filter(({ method }) => method !== 'HEAD')).toEqual([]);
    expect(factory.source.requests.filter(({ path }) => path.includes('/manifests/'))).toHaveLength(3);
  });

  it('copies a ripe version again that the registry lost', async () => {
    night(0, '1.18.0');
    await sync();
    night(7, '1.18.1');
    await sync();
    const { storage } = factory.target;
    for (const repository of ['mirror/harness/ci-addon', 'mirror/harness/sto-plugin']) {
      for (const { digest } of storage.manifests(repository)) storage.deleteManifest(repository, digest);
      for (const digest of storage.blobs(repository)) storage.deleteBlob(repository, digest);
    }
    night(14);
    const report = await sync();
    expect(factory.overrides()['addonTag']).toBe(factory.copyOf(addon('1.18.0')));
    expect(factory.arrived(addon('1.18.0'))).toBe(factory.official(addon('1.18.0')));
    expect(report.images.filter(({ status }) => status === 'copied').map(({ image }) => image)).toContain(
      addon('1.18.0'),
    );
  });

  it('switches to the next older ripe version when the newest is neither at the registry nor at a source', async () => {
    for (const [index, version] of ['1.18.0', '1.18.1', '1.18.2'].entries()) {
      night(index, version);
      await sync();
    }
    for (const { storage } of [factory.target, factory.source]) {
      const repository = storage === factory.target.storage ? 'mirror/harness/ci-addon' : 'harness/ci-addon';
      storage.deleteManifest(repository, storage.resolve(repository, '1.18.1') ?? '');
    }
    night(15);
    const report = await factory.sync(soak);
    expect(report.error).toBeUndefined();
    expect(ownWarnings(report)).toEqual([
      expect.stringMatching(/^harness\/ci-addon:1\.18\.1@sha256:\w+ has soaked, but /),
    ]);
    expect(factory.overrides()).toMatchObject({
      addonTag: factory.copyOf(addon('1.18.0')),
      liteEngineTag: factory.copyOf(engine('1.18.0')),
    });
  });

  it('plans the switch, and changes nothing', async () => {
    night(0, '1.18.0');
    await sync();
    night(14, '1.18.1');
    const report = await factory.run('plan', soak);
    expect(report.config).toMatchObject([
      { field: 'addonTag', to: factory.copyOf(addon('1.18.0')), status: 'planned' },
      { field: 'liteEngineTag', to: factory.copyOf(engine('1.18.0')), status: 'planned' },
      { field: 'securityTag', to: factory.copyOf(floating), status: 'planned' },
    ]);
    expect(factory.overrides()).toEqual({});
    const { soaking = [] } = report;
    expect(soaking.map(({ image }) => image)).toEqual([addon('1.18.1'), engine('1.18.1'), floating]);
    expect(summaryOf(report)).toMatch(/Soaks +Until +Fields\nharness\/ci-addon:1\.18\.1 +2026-01-29 +ci K8 addonTag\n/);
  });

  it('keeps copies of chosen platforms apart from official digests', async () => {
    const linux = { platforms: ['linux/amd64'] };
    for (let week = 0; week < 4; week++) {
      night(7 * week, `1.18.${week}`);
      await sync({ ...linux, prune: true, keep_versions: 1 });
    }
    expect(factory.overrides()['securityTag']).toBe(factory.copyOf(floating));
    expect(factory.overrides()['addonTag']).toBe(factory.copyOf(addon('1.18.1')));
    expect((await factory.run('verify', { ...soak, ...linux })).error).toBeUndefined();
  });

  it('never moves a tag back that a field of another scope uses, for a field that saw fewer versions', async () => {
    const image = 'plugins/cache:latest';
    for (const infra of ['K8', 'VM'] as const) factory.harness.setDefault('ci', infra, 'cacheS3Tag', image);
    const digests: (string | undefined)[] = [];
    const move = (day: number) => {
      night(day);
      factory.publish([image], { revision: day });
      digests.push(factory.official(image));
    };
    const input = { include_fields: ['cacheS3Tag'], soak_days: 10 };
    const both = { ...input, infrastructure_type: 'K8,VM' };
    move(0);
    await sync(both);
    move(7);
    await sync(input);
    move(14);
    await sync(input);
    night(18);
    await sync(input);
    expect(factory.arrived(image)).toBe(digests[1]);
    night(20);
    await sync(both);
    // VM has seen the first and the third image. Only the first has soaked, and K8 is past it.
    expect(factory.arrived(image)).toBe(digests[1]);
    expect(factory.overrides('ci', 'K8')).toEqual({ cacheS3Tag: factory.copyOf(image) });
    expect(factory.overrides('ci', 'VM')).toEqual({});
    night(24);
    await sync(both);
    expect(factory.arrived(image)).toBe(digests[2]);
    for (const infra of ['K8', 'VM'] as const)
      expect(factory.overrides('ci', infra)).toEqual({ cacheS3Tag: factory.copyOf(image) });
  });
});
