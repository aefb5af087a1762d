import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Report } from '../../functions/state/documents.ts';
import { profileNames } from '../../infra/local/embedded/harness-api/profiles.ts';
import { stopClock } from '../state/clock.ts';
import { type Factory, ownWarnings, startFactory } from './factory.ts';

describe('pairs', () => {
  let factory: Factory;
  beforeEach(() => stopClock(Date.parse('2026-01-01T02:00:00Z')));
  afterEach(async () => {
    jest.useRealTimers();
    await factory.close();
  });

  const skewed = ({ warnings = [] }: Report) => warnings.filter((warning) => warning.includes('run in the same pod'));

  /** Publishes a version of the pair that is not Harness's current one. */
  function publish(version: string): void {
    const { addonTag = '', liteEngineTag = '' } = factory.harness.defaults.ci.K8 ?? {};
    factory.publish([addonTag, liteEngineTag].map((image) => image.replace(/:.*/, `:${version}`)));
  }

  it.each(profileNames)(
    'warns of a pin that parts addon and lite engine, until both are pinned: %s',
    async (profile) => {
      factory = await startFactory({ harness: { profile } });
      publish('1.15.1');
      const [, current] = (factory.harness.defaults.ci.K8?.['liteEngineTag'] ?? '').split(':');
      const pins = { 'harness/ci-addon': '1.15.1' };
      expect(skewed(await factory.run('plan', { pins }))).toEqual([
        `ci K8: addonTag at 1.15.1 and liteEngineTag at ${current} run in the same pod, but Harness releases both at one version. Pin both or neither, and leave out both or neither`,
      ]);
      const both = { ...pins, 'harness/ci-lite-engine': '1.15.1' };
      expect(skewed(await factory.run('plan', { pins: both }))).toEqual([]);
      expect(skewed(await factory.run('plan', { pins, modify_default: false }))).toEqual([]);
    },
  );

  it('warns of a field that is left out while its counterpart soaks', async () => {
    factory = await startFactory();
    const soak = { include_fields: ['addonTag', 'cacheS3Tag'], soak_days: 7 };
    expect(skewed(await factory.sync(soak))).toEqual([]);
    publish('1.18.23');
    factory.harness.setDefault('ci', 'K8', 'addonTag', 'harness/ci-addon:1.18.23');
    factory.harness.setDefault('ci', 'K8', 'liteEngineTag', 'harness/ci-lite-engine:1.18.23');
    jest.setSystemTime(Date.parse('2026-01-08T02:00:00Z'));
    const report = await factory.sync(soak);
    expect(factory.overrides()['addonTag']).toBe(factory.copyOf('harness/ci-addon:1.18.22'));
    expect(skewed(report)).toEqual([
      expect.stringContaining('ci K8: addonTag at 1.18.22 and liteEngineTag at 1.18.23 run in the same pod'),
    ]);
  });

  it('does not compare an image of the user, nor images that Harness itself has at two versions', async () => {
    factory = await startFactory();
    Object.assign(factory.harness.state[factory.harness.accountId]?.ci.K8 ?? {}, { addonTag: 'other.example/mine:1' });
    expect(skewed(await factory.run('plan'))).toEqual([]);
    factory.harness.setDefault('ci', 'K8', 'liteEngineTag', 'harness/ci-lite-engine:1.18.23');
    publish('1.18.23');
    expect(skewed(await factory.run('plan'))).toEqual([]);
  });
});

describe('the reach of a switch', () => {
  let factory: Factory;
  afterEach(() => factory.close());

  const reach = ({ warnings = [] }: Report) =>
    warnings.filter((warning) => warning.includes(' uses the overrides of '));
  const cloud = () =>
    `Harness Cloud uses the overrides of VM too: its container steps will pull from ${factory.target.host}/mirror. If Harness Cloud cannot reach it, take VM out of infrastructure_type`;
  const cd = () =>
    `CD uses the overrides of addon and lite engine too: its containerized step groups will pull from ${factory.target.host}/mirror. Make sure that their clusters can: see "Where a switch reaches" in docs/connectors.md`;

  describe('a switch that reaches further than its infrastructure type', () => {
    it.each(['saas-2026', 'saas-2023', 'self-managed'] as const)(
      'has one warning for each place: %s',
      async (profile) => {
        factory = await startFactory({ harness: { profile } });
        expect(reach(await factory.run('plan', { infrastructure_type: 'K8' }))).toEqual([cd()]);
        expect(reach(await factory.run('plan', { infrastructure_type: 'VM' }))).toEqual([cloud()]);
        expect(reach(await factory.run('plan', { infrastructure_type: 'K8,VM' }))).toEqual([cloud(), cd()]);
      },
    );

    it('has no warning once it is switched, also when a version changes', async () => {
      factory = await startFactory();
      const both = { infrastructure_type: ['K8', 'VM'] };
      expect(reach(await factory.sync(both))).toEqual([cloud(), cd()]);
      expect(reach(await factory.sync(both))).toEqual([]);
      const pair = ['harness/ci-addon:1.19.0', 'harness/ci-lite-engine:1.19.0'] as const;
      factory.publish([...pair]);
      factory.harness.setDefault('ci', 'K8', 'addonTag', pair[0]);
      factory.harness.setDefault('ci', 'K8', 'liteEngineTag', pair[1]);
      expect(reach(await factory.sync(both))).toEqual([]);
      expect(factory.overrides()).toMatchObject({ addonTag: factory.copyOf(pair[0]) });
      expect(reach(await factory.run('reset', both))).toEqual([]);
    });

    it('has no warning when nothing is switched, or neither of these fields', async () => {
      factory = await startFactory();
      expect(reach(await factory.run('plan', { modify_default: false }))).toEqual([]);
      expect(reach(await factory.run('plan', { exclude_fields: 'addonTag*,liteEngineTag*' }))).toEqual([]);
    });
  });
});

describe('entries that match nothing', () => {
  let factory: Factory;
  beforeEach(async () => {
    factory = await startFactory({ samples: {} });
  });
  afterEach(() => factory.close());

  const paths = (report: { error?: { problems?: { path: string }[] } }) =>
    report.error?.problems?.map(({ path }) => path);
  const until = '2999-12-31';

  describe('an entry that protects nothing', () => {
    it('ends the run before anything is written, with every other such entry and the nearest names', async () => {
      const report = await factory.sync({
        pins: { 'harness/ci-adon': '1', 'docker.io/harness/ci-addon': '1.18.22', 'harness/iacm-terraform': '1' },
        include_fields: ['*', 'buildAndPush*'],
        exclude_fields: ['addonTagg', 'plugins/*', 'nobody.example/x/cache'],
        platforms: ['linux/amd64', 'linux/amd46'],
      });
      expect(report.error).toMatchObject({
        name: 'InvalidInput',
        message: '6 entries of the execution input would protect nothing',
        hint: expect.stringContaining('allow_unmatched'),
        problems: [
          {
            path: '$.pins["harness/ci-adon"]',
            found: '"harness/ci-adon"',
            allowed: expect.stringContaining('such as harness/ci-addon'),
          },
          { path: '$.pins["harness/iacm-terraform"]' },
          { path: '$.include_fields[1]', found: '"buildAndPush*"' },
          { path: '$.exclude_fields[0]', allowed: expect.stringMatching(/such as addonTag/) },
          { path: '$.exclude_fields[2]', allowed: expect.stringContaining('plugins/cache') },
          { path: '$.platforms[1]', found: '"linux/amd46"', allowed: expect.stringContaining('such as linux/amd64') },
        ],
      });
      expect(factory.writes()).toEqual([]);
      expect(factory.target.storage.repositories()).toEqual([]);
      expect(await factory.store.get('first-seen.json')).toBeUndefined();
    });

    it('warns with allow_unmatched, and applies the rest of the input', async () => {
      const pins = { 'harness/ci-adon': '1', 'harness/sto-plugin': 'latest' };
      const platforms = ['linux/amd64', 'linux/amd46'];
      const report = await factory.sync({ allow_unmatched: true, include_fields: ['securityTag'], pins, platforms });
      expect(report.status).toBe('SUCCEEDED');
      expect(ownWarnings(report)).toEqual([
        expect.stringMatching(
          /^\$\.pins\["harness\/ci-adon"\]: "harness\/ci-adon" matches nothing; .*harness\/ci-addon/,
        ),
        expect.stringMatching(/^\$\.platforms\[1\]: "linux\/amd46" matches nothing/),
      ]);
      expect(Object.keys(factory.overrides())).toEqual(['securityTag']);
    });

    it.each(['plan', 'verify'])('fails a %s too', async (action) => {
      expect(paths(await factory.run(action, { pins: { 'harness/typo': '1' } }))).toEqual(['$.pins["harness/typo"]']);
    });

    it('lets a reset proceed, unless the entry selects what is reset', async () => {
      await factory.sync({ include_fields: ['cacheS3Tag'] });
      expect(paths(await factory.run('reset', { include_fields: ['cacheS4Tag'] }))).toEqual(['$.include_fields[0]']);
      expect((await factory.run('reset', { pins: { 'harness/typo': '1' } })).status).toBe('SUCCEEDED');
      expect(factory.overrides()).toEqual({});
    });
  });

  describe('an entry that protects something', () => {
    it.each<[string, object]>([
      ['the pin of an image whose field is left out', { pins: { 'plugins/cache': '1' }, exclude_fields: ['cache*'] }],
      [
        'the pin of an extra image without a version',
        { pins: { 'harness/sto-plugin': 'latest' }, extra_images: ['harness/sto-plugin'] },
      ],
      ['a glob on a field that only Windows uses', { exclude_fields: ['addonTagRootless'] }],
      [
        'a glob on an image, as it is copied',
        { exclude_fields: ['us-docker.pkg.dev/gar-prod-setup/harness-public/plugins/*'] },
      ],
      ['a platform of some images only', { platforms: ['linux/amd64', 'linux/arm64'] }],
    ])('accepts an entry that protects something: %s', async (_, input) => {
      expect(paths(await factory.run('plan', input))).toBeUndefined();
    });

    it('accepts an entry for an override whose field Harness dropped', async () => {
      const state = factory.harness.state[factory.harness.accountId];
      if (state) state.ci.K8 = { goneTag: factory.copyOf('harness/gone:1') };
      expect(paths(await factory.run('plan', { exclude_fields: ['goneTag'] }))).toBeUndefined();
    });

    it('refuses a pin of an extra image that has its own version', async () => {
      const input = { pins: { 'harness/delegate': '1' }, extra_images: ['harness/delegate:2'], allow_unmatched: true };
      expect(ownWarnings(await factory.run('plan', input))).toEqual([
        expect.stringContaining('$.pins["harness/delegate"]'),
      ]);
    });
  });

  describe('the images of scan_allow', () => {
    const withScan = async (...allow: object[]) => {
      await factory.close();
      factory = await startFactory({
        environment: { GATHER_SCAN_TEMPLATE: 'arn:aws:lambda:eu-west-1:123456789012:function:scan' },
        template: () => ({ call: async () => ({ output: {} }) }),
      });
      return factory.run('plan', { wait_for_scan: true, scan_allow: allow });
    };

    it('must match an image; ids, which come and go, must match nothing', async () => {
      const report = await withScan(
        { id: 'CVE-2025-1', until, images: ['docker.io/plugins/*', 'plugins/cach'] },
        { id: 'CVE-2025-2', until },
        { id: 'CVE-2025-3', until, images: ['harness/ci-addon:1.18.*', 'harness/gone:1'] },
        { id: 'CVE-2025-4', until: '2020-01-01', images: ['harness/gone'] },
      );
      expect(paths(report)).toEqual(['$.scan_allow[0].images[1]', '$.scan_allow[2].images[1]']);
    });
  });
});
