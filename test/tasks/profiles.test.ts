import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type ProfileName, profileNames } from '../../infra/local/embedded/harness-api/profiles.ts';
import {
  type OfficialSources,
  publishedImages,
  startOfficialSources,
} from '../../infra/local/embedded/official-sources.ts';
import type { Report } from '../../functions/state/documents.ts';
import { summaryOf } from '../../infra/local/summary.ts';
import { type Factory, ownWarnings, startFactory } from './factory.ts';

describe('an account of each profile', () => {
  let factory: Factory;
  afterEach(() => factory.close());

  /** Starts with an account that has all fields of a profile, and with images of every shape. */
  async function startWith(profile: ProfileName): Promise<void> {
    factory = await startFactory({ harness: { profile }, samples: {} });
  }

  it.each(profileNames)('switches every field of %s to a copy, and back', async (profile) => {
    await startWith(profile);
    const { K8 = {} } = factory.harness.defaults.ci;
    const fields = Object.entries(K8).filter(([field]) => !field.endsWith('Rootless'));
    const synced = await factory.sync();
    expect(synced.error).toBeUndefined();
    expect(factory.overrides()).toEqual(
      Object.fromEntries(fields.map(([field, image]) => [field, factory.copyOf(image)])),
    );
    expect((await factory.run('verify')).error).toBeUndefined();
    expect((await factory.run('reset')).error).toBeUndefined();
    expect(factory.overrides()).toEqual({});
  });

  it('switches VM of saas-2023, and reports the field that it does not let anyone write', async () => {
    await startWith('saas-2023');
    const report = await factory.sync({ infrastructure_type: 'VM' });
    expect(report.error).toBeUndefined();
    const unwritten = report.config.filter(({ status }) => status !== 'updated');
    expect(unwritten).toMatchObject([{ field: 'slsaVerificationTag', status: 'rejected' }]);
  });

  it('switches self-managed with a warning, since it cannot check the permission', async () => {
    await startWith('self-managed');
    const report = await factory.sync({ include_fields: ['cacheS3Tag'] });
    expect(report.error).toBeUndefined();
    expect(ownWarnings(report)).toEqual([
      expect.stringContaining('whether the key has core_account_edit could not be checked before the switch: '),
    ]);
  });

  it.each(profileNames)('looks for unused copies on %s, whose missing modules have no overrides', async (profile) => {
    const notes: string[] = [];
    factory = await startFactory({ harness: { profile }, onNote: (note) => notes.push(note) });
    const choice = { include_fields: ['cacheS3Tag'] };
    await factory.sync(choice);
    const { K8 = {} } = factory.harness.defaults.ci;
    const used = K8['cacheS3Tag'] ?? '';
    const newer = `${used}.1`;
    factory.publish([newer]);
    factory.harness.setDefault('ci', 'K8', 'cacheS3Tag', newer);
    await factory.sync(choice);
    const pruned = await factory.sync({ ...choice, prune: true, keep_versions: 1 });
    expect(ownWarnings(pruned)).toEqual([]);
    const verified = await factory.run('verify', choice);
    expect(verified.error).toBeUndefined();
    expect(ownWarnings(verified)).toEqual([]);
    expect(notes.filter((note) => note.includes('only the modules of this run'))).toEqual([]);
  });
});

describe('self-managed', () => {
  let factory: Factory;
  afterEach(() => factory.close());

  describe('an account of the self-managed platform', () => {
    beforeEach(async () => {
      factory = await startFactory({ harness: { profile: 'self-managed' } });
    });

    it.each(['harness/ci-addon', 'harnesssecure/ci-addon', 'docker.io/harnesssecure/ci-addon'])(
      'holds an image at a version by a pin of %s, with both variants',
      async (name) => {
        factory.publish(['harnesssecure/ci-addon:1.17.0', 'harnesssecure/ci-addon:rootless-1.17.0']);
        const report = await factory.sync({
          include_fields: ['addonTag*'],
          include_windows_rootless: true,
          pins: { [name]: '1.17.0' },
        });
        expect(report.error).toBeUndefined();
        expect(factory.overrides()).toEqual({
          addonTag: factory.copyOf('harnesssecure/ci-addon:1.17.0'),
          addonTagRootless: factory.copyOf('harnesssecure/ci-addon:rootless-1.17.0'),
        });
      },
    );

    it.each([
      ['plugins/cache', ['cacheAzureTag', 'cacheGCSTag', 'cacheS3Tag', 'cacheTag']],
      ['harnesssecure/cache', ['cacheAzureTag', 'cacheGCSTag', 'cacheS3Tag', 'cacheTag']],
      ['harness/ci-*', ['addonTag', 'liteEngineTag']],
      ['{harnesssecure,nobody}/kaniko', ['buildAndPushDockerRegistryTag']],
    ])('limits a run to the glob %s', async (glob, fields) => {
      const report = await factory.sync({ include_fields: [glob] });
      expect(report.error).toBeUndefined();
      expect(Object.keys(factory.overrides()).toSorted()).toEqual(fields);
    });

    it('leaves the images of one family out, and keeps the other', async () => {
      const { config } = await factory.run('plan', { exclude_fields: ['plugins/*'] });
      const images = new Set(config.map(({ to }) => to?.replace(/^.*\/|:.*$/g, '')));
      expect(images.has('ci-addon')).toBe(true);
      expect(images.has('kaniko')).toBe(false);
    });

    it('ends a run with a module that it lacks before any write, and says what to do', async () => {
      const { error } = await factory.sync({ modules: ['ci', 'idp'] });
      expect(error).toMatchObject({
        name: 'HarnessUnexpectedResponse',
        hint: 'Leave idp out of modules: this Harness does not serve it.',
      });
      expect(factory.writes()).toEqual([]);
    });

    it('prunes although it lacks a module', async () => {
      const input = { include_fields: ['plugins/cache'] };
      for (const version of ['1.0.0', '1.1.0', '1.2.0']) {
        factory.publish([`harnesssecure/cache:${version}`]);
        await factory.sync({ ...input, pins: { 'plugins/cache': version } });
      }
      const report = await factory.sync({ ...input, prune: true, keep_versions: 1 });
      expect(report.error).toBeUndefined();
      expect(report.unused).toMatchObject([{ reference: factory.copyOf('harnesssecure/cache:1.0.0') }]);
    });

    it('replaces an official image that was set under the name of SaaS', async () => {
      const account = factory.harness.state[factory.harness.accountId];
      if (account)
        account.ci.K8 = {
          cacheS3Tag: 'plugins/cache:1.0.0',
          s3UploadTag: 'other/s3:1',
        };
      await factory.sync({ include_fields: ['cacheS3Tag', 's3UploadTag'] });
      expect(factory.overrides()).toEqual({
        cacheS3Tag: factory.copyOf('harnesssecure/cache:1.10.12'),
        s3UploadTag: 'other/s3:1',
      });
    });
  });

  describe('an account of SaaS', () => {
    it('takes pins and globs under the names of the self-managed platform', async () => {
      factory = await startFactory();
      factory.publish(['plugins/cache:1.0.0']);
      const report = await factory.sync({
        include_fields: ['harnesssecure/cache'],
        pins: { 'harnesssecure/cache': '1.0.0' },
      });
      expect(report.error).toBeUndefined();
      expect(factory.overrides()).toEqual({
        cacheGCSTag: factory.copyOf('plugins/cache:1.0.0'),
        cacheS3Tag: factory.copyOf('plugins/cache:1.0.0'),
      });
    });
  });

  describe('the sources in the default order', () => {
    let sources: OfficialSources;
    beforeEach(async () => {
      sources = await startOfficialSources();
      factory = await startFactory({
        harness: { profile: 'self-managed' },
        environment: { SOURCE_REGISTRY: sources.addresses.join() },
      });
    });
    afterEach(() => sources.close());

    it('give the images of the self-managed platform from Docker Hub, with a warning that names the others', async () => {
      sources.publish(publishedImages('self-managed'), { layerBytes: 100 });
      const input = { include_sets: ['core', 'cache'] };
      const report = await factory.run('plan', input);
      expect(report.error).toBeUndefined();
      const [gar, ecrPublic, dockerHub = ''] = sources.addresses;
      for (const { source } of report.images) expect(source).toMatch(new RegExp(`^${dockerHub}/harnesssecure/`));
      expect(report.warnings).toContain(
        `5 images of harnesssecure/ are at ${dockerHub}, and none at ${gar}, ${ecrPublic}: set source_registry to ${dockerHub}`,
      );
      const alone = await factory.run('plan', { ...input, source_registry: dockerHub });
      expect(alone.warnings?.join() ?? '').not.toContain('source_registry');
    });
  });
});

describe('fields that are behind', () => {
  let factory: Factory;
  afterEach(() => factory.close());

  const pair = { include_fields: ['addonTag', 'liteEngineTag'] };

  /** Starts with the pair of a profile, whose defaults are then set to a version. */
  async function startAt(profile: ProfileName, version: string): Promise<{ addon: string; engine: string }> {
    factory = await startFactory({ harness: { profile } });
    const name = (field: string) => factory.harness.defaults.ci.K8?.[field]?.split(':')[0] ?? '';
    const names = { addon: name('addonTag'), engine: name('liteEngineTag') };
    offer(names, version);
    return names;
  }

  function offer({ addon, engine }: { addon: string; engine: string }, version: string): void {
    factory.publish([`${addon}:${version}`, `${engine}:${version}`]);
    factory.harness.setDefault('ci', 'K8', 'addonTag', `${addon}:${version}`);
    factory.harness.setDefault('ci', 'K8', 'liteEngineTag', `${engine}:${version}`);
  }

  /** Requests for Harness's own checks since the last call. */
  const checks = () =>
    factory.harness.requests.splice(0).filter(({ path }) => /execution-config(?:\/get-deprecated-config)?$/.test(path));

  const behind = ({ config }: Report) => Object.fromEntries(config.map(({ field, behind: lag }) => [field, lag]));

  describe.each(profileNames)('on %s', (profile) => {
    it('says how far a pinned version is behind, and that Harness reports it', async () => {
      const names = await startAt(profile, '1.14.3');
      await factory.sync(pair);
      expect(checks()).toEqual([]);
      offer(names, '1.18.27');
      const pins = { [names.addon]: '1.14.3', [names.engine]: '1.14.3' };
      for (const action of ['plan', 'sync'] as const) {
        const report = await factory.run(action, { ...pair, pins });
        expect(report.error).toBeUndefined();
        expect(behind(report)).toEqual({
          addonTag: { by: '4 minor versions', official: `${names.addon}:1.18.27`, harness: 'outdated' },
          liteEngineTag: { by: '4 minor versions', official: `${names.engine}:1.18.27`, harness: 'outdated' },
        });
        expect(summaryOf(report)).toMatch(
          /addonTag .*\(4 minor versions behind 1\.18\.27; Harness reports it as outdated\)/,
        );
        expect(checks()).toHaveLength(2);
      }
    });
  });

  it('says that Harness reports an old major version as deprecated', async () => {
    const names = await startAt('saas-2026', '1.18.3');
    await factory.sync(pair);
    offer(names, '2.0.0');
    const report = await factory.run('plan', { ...pair, pins: { [names.addon]: '1.18.3', [names.engine]: '1.18.3' } });
    expect(behind(report)['addonTag']).toEqual({
      by: '1 major version',
      official: `${names.addon}:2.0.0`,
      harness: 'deprecated',
    });
  });

  it('says how far a soaking field is behind', async () => {
    const names = await startAt('saas-2026', '1.18.3');
    await factory.sync(pair);
    offer(names, '1.18.5');
    const report = await factory.sync({ ...pair, soak_days: 7 });
    expect(behind(report)['addonTag']).toEqual({ by: '2 patch versions', official: `${names.addon}:1.18.5` });
    expect(summaryOf(report)).toMatch(/addonTag .*soaks until \d{4}-\d\d-\d\d; 2 patch versions behind 1\.18\.5\)/);
  });

  it('neither requests a check nor shows a lag when every field follows its default', async () => {
    const names = await startAt('saas-2026', '1.18.3');
    await factory.sync(pair);
    offer(names, '1.18.5');
    const report = await factory.sync(pair);
    expect(behind(report)).toEqual({ addonTag: undefined, liteEngineTag: undefined });
    expect(checks()).toEqual([]);
  });

  it.each([403, 404, 500, 503])(
    'continues without a word when a check returns %i, after one request',
    async (status) => {
      const names = await startAt('saas-2026', '1.14.3');
      await factory.sync(pair);
      offer(names, '1.18.27');
      checks();
      factory.harness.quirks.failNext = [{ count: 100, status, path: '/get-deprecated-config' }];
      const report = await factory.run('plan', {
        ...pair,
        pins: { [names.addon]: '1.14.3', [names.engine]: '1.14.3' },
      });
      expect(report.error).toBeUndefined();
      expect(ownWarnings(report)).toEqual([]);
      expect(behind(report)['addonTag']).toMatchObject({ harness: 'outdated' });
      expect(checks()).toHaveLength(2);
    },
  );

  it("says how far a user's own image is behind on saas-2023, whose checks fail on the missing counterpart", async () => {
    const names = await startAt('saas-2023', '1.18.27');
    const { ci } = factory.harness.state[factory.harness.accountId] ?? {};
    Object.assign(ci?.K8 ?? {}, { addonTag: 'other.example/tools/ci-addon:1.14.3' });
    const report = await factory.run('plan', pair);
    expect(report.error).toBeUndefined();
    expect(ownWarnings(report)).toEqual([
      expect.stringContaining('addonTag at 1.14.3 and liteEngineTag at 1.18.27 run in the same pod'),
    ]);
    expect(behind(report)['addonTag']).toEqual({ by: '4 minor versions', official: `${names.addon}:1.18.27` });
    expect(checks()).toHaveLength(2);
  });

  it('shows the lag of a field that the run could not switch', async () => {
    const names = await startAt('saas-2026', '1.18.3');
    await factory.sync(pair);
    offer(names, '1.18.5');
    factory.harness.quirks.nonWritableFields = ['ci/K8/*'];
    const report = await factory.sync(pair);
    expect(behind(report)['addonTag']).toMatchObject({ by: '2 patch versions' });
  });
});
