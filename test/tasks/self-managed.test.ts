import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type OfficialSources,
  publishedImages,
  startOfficialSources,
} from '../../infra/local/embedded/official-sources.ts';
import { type Factory, startFactory } from './factory.ts';

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
