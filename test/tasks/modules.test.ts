import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Factory, type FactoryOptions, imageStatuses, ownWarnings, startFactory, statuses } from './factory.ts';

describe('modules', () => {
  let factory: Factory;
  afterEach(() => factory.close());

  const terraform = 'plugins/harness_terraform:latest';
  const checkov = 'plugins/harness_checkov:dev';
  const cookiecutter = (tag: string) => `harness/cookiecutter:${tag}`;

  async function startWith(quirks: NonNullable<FactoryOptions['harness']>['quirks'] = {}): Promise<void> {
    const defaults = {
      ci: {
        // The CI endpoint shows fields of both modules, those of IDP with floating tags.
        K8: { cacheS3Tag: 'plugins/cache:1.10.12', iacmTerraform: terraform, cookieCutter: cookiecutter('latest') },
      },
      iacm: { K8: { iacmTerraform: terraform, iacmCheckov: checkov } },
      idp: { K8: { cookieCutter: cookiecutter('1.9.1') } },
    };
    factory = await startFactory({ harness: { defaults, quirks } });
    factory.publish([terraform, checkov, cookiecutter('latest'), cookiecutter('1.9.1')]);
  }

  describe('iacm and idp', () => {
    it('reads the configuration of each module, whose versions may differ', async () => {
      await startWith({ dataNull: true });
      const report = await factory.sync({ modules: ['ci', 'idp'] });
      expect(report.error).toBeUndefined();
      expect(factory.overrides('ci')).toMatchObject({ cookieCutter: factory.copyOf(cookiecutter('latest')) });
      expect(factory.overrides('idp')).toEqual({ cookieCutter: factory.copyOf(cookiecutter('1.9.1')) });
      expect(factory.overrides('iacm')).toEqual({});
      await factory.run('reset', { modules: ['idp'] });
      expect(factory.overrides('idp')).toEqual({});
      expect(factory.overrides('ci')).toHaveProperty('cookieCutter');
    });

    it('fields that ci shows for iacm and does not let one change are rejected, those of iacm itself are switched', async () => {
      await startWith({ nonWritableFields: ['ci/K8/iacm*'] });
      const report = await factory.sync({ modules: ['ci', 'iacm'] });
      expect(report.error).toBeUndefined();
      expect(statuses(report)).toEqual({
        'ci K8 cacheS3Tag': 'updated',
        'ci K8 iacmTerraform': 'rejected',
        'ci K8 cookieCutter': 'updated',
        'iacm K8 iacmTerraform': 'updated',
        'iacm K8 iacmCheckov': 'updated',
      });
      expect(report.images.filter(({ image }) => image === terraform)).toHaveLength(1);
    });

    it('an iacm that takes other labels than it shows refuses every field: that is a failure, and ci is put back', async () => {
      await startWith({ nonWritableFields: ['iacm/K8/*'] });
      const report = await factory.sync({ modules: ['ci', 'iacm'] });
      expect(report.error).toMatchObject({ name: 'HarnessRejected', hint: expect.stringContaining('exclude_fields') });
      expect(statuses(report)).toMatchObject({ 'ci K8 cacheS3Tag': 'rolled-back' });
      expect(factory.overrides('ci')).toEqual({});
    });

    it('treats data: false under status 200 of idp as a failure', async () => {
      await startWith({ writesAnswerFalse: ['idp'] });
      const report = await factory.sync({ modules: ['ci', 'idp'] });
      expect(report.error).toMatchObject({
        name: 'HarnessRejected',
        message: expect.stringContaining('data is false'),
      });
      expect(factory.overrides('ci')).toEqual({});
      expect(factory.overrides('idp')).toEqual({});
    });

    it('know Kubernetes only: VM alone is refused, and beside K8 it is for ci', async () => {
      await startWith();
      const refused = await factory.sync({ modules: ['iacm'], infrastructure_type: 'VM' });
      expect(refused.error).toMatchObject({ name: 'InvalidInput', problems: [{ path: '$.infrastructure_type' }] });
      const report = await factory.run('plan', { modules: ['iacm', 'idp'], infrastructure_type: ['K8', 'VM'] });
      expect(report.error).toBeUndefined();
      expect(Object.keys(statuses(report))).toEqual([
        'iacm K8 iacmTerraform',
        'iacm K8 iacmCheckov',
        'idp K8 cookieCutter',
      ]);
    });
  });

  describe('iacm of 2026, which lists the fields of ci too', () => {
    it('switches what it can, and reports the fields that it does not let anyone write', async () => {
      const nonWritableFields = ['iacm/K8/{addonTag,liteEngineTag,ssca*,cache*}'];
      factory = await startFactory({ harness: { profile: 'saas-2026', quirks: { nonWritableFields } } });
      const report = await factory.sync({ modules: ['iacm'] });
      expect(report.error).toBeUndefined();
      const rejected = report.config.filter(({ status }) => status === 'rejected').map(({ field }) => field);
      expect(rejected).toEqual(
        expect.arrayContaining(['addonTag', 'liteEngineTag', 'cacheProxyImage', 'sscaComplianceTag']),
      );
      const { K8 = {} } = factory.harness.defaults.iacm;
      const written = Object.keys(K8).filter((field) => !field.endsWith('Rootless') && !rejected.includes(field));
      expect(Object.keys(factory.overrides('iacm')).toSorted()).toEqual(written.toSorted());
      expect(written).toEqual(expect.arrayContaining(['iacmTerraform', 'iacmRemediationAgent', 'gitCloneTag']));
      expect(factory.overrides('ci')).toEqual({});
    });
  });

  describe('VM', () => {
    it('leaves out what has no VM field: neither is it copied, nor written', async () => {
      factory = await startFactory();
      const report = await factory.sync({ infrastructure_type: 'VM' });
      expect(imageStatuses(report)).toEqual({
        'harness/drone-git:1.7.25': 'copied',
        'plugins/cache:1.10.12': 'copied',
      });
      expect(factory.writes().map(({ fields }) => fields)).toEqual([['gitCloneTag', 'cacheS3Tag']]);
    });
  });

  describe('images without a field', () => {
    it('STO scanners, the delegate, the git image without its suffix are copied beside the others', async () => {
      factory = await startFactory();
      const extra = ['harness/aqua-trivy-job-runner:latest', 'harness/delegate:25.10.1', 'harness/drone-git:1.7.25'];
      factory.publish(extra);
      const report = await factory.sync({
        extra_images: ['harness/aqua-trivy-job-runner', ...extra.slice(1)],
        include_fields: ['cacheS3Tag'],
      });
      expect(report.error).toBeUndefined();
      for (const image of extra) expect(factory.arrived(image)).toBe(factory.official(image));
      expect(Object.keys(factory.overrides())).toEqual(['cacheS3Tag']);
      expect(
        (await factory.run('verify', { extra_images: extra, include_fields: ['cacheS3Tag'] })).error,
      ).toBeUndefined();
      factory.target.storage.deleteTag('mirror/harness/delegate', '25.10.1');
      const drift = await factory.run('verify', { extra_images: extra, include_fields: ['cacheS3Tag'] });
      expect(drift.error?.message).toContain(`${factory.copyOf('harness/delegate:25.10.1')} is not at the registry`);
    });

    it('prevents the switch when an image without a field fails', async () => {
      factory = await startFactory();
      const report = await factory.sync({ extra_images: ['harness/absent:1'], include_fields: ['cacheS3Tag'] });
      expect(report.error?.name).toBe('ImagesFailed');
      expect(factory.overrides()).toEqual({});
    });
  });

  describe('a batch that Harness refuses', () => {
    it.each([400, 500] as const)(
      'narrows a batch down that Harness refuses with %i, one write at a time',
      async (unknownFieldStatus) => {
        factory = await startFactory({
          // With two writers in flight the slower would lose the other's fields.
          harness: { quirks: { unknownFieldStatus, nonWritableFields: ['ci/K8/cacheS3Tag'], lostUpdateRaceMs: 10 } },
        });
        const report = await factory.sync();
        expect(report.error).toBeUndefined();
        expect(Object.entries(statuses(report)).filter(([, status]) => status !== 'updated')).toEqual([
          ['ci K8 cacheS3Tag', 'rejected'],
        ]);
        expect(Object.keys(factory.overrides())).not.toContain('cacheS3Tag');
        expect(Object.keys(factory.overrides())).toHaveLength(5);
        expect(factory.writes().map(({ fields }) => fields.join(' '))).toEqual([
          'addonTag liteEngineTag gitCloneTag cacheGCSTag cacheS3Tag securityTag',
          'addonTag liteEngineTag gitCloneTag cacheGCSTag',
          'cacheS3Tag securityTag',
          'cacheS3Tag',
          'securityTag',
        ]);
      },
    );
  });
});

describe('field sets', () => {
  let factory: Factory;
  afterEach(() => factory.close());

  describe('include_sets', () => {
    it('choose the fields of a purpose, together with include_fields, and exclude_fields wins', async () => {
      factory = await startFactory({ harness: { profile: 'saas-2026' } });
      const report = await factory.sync({
        include_sets: ['core', 'cache'],
        include_fields: ['plugins/s3'],
        exclude_fields: ['cacheProxyImage'],
      });
      expect(report.error).toBeUndefined();
      expect(ownWarnings(report)).toEqual([]);
      expect(Object.keys(factory.overrides()).toSorted()).toEqual([
        'addonTag',
        'cacheAzureTag',
        'cacheGCSTag',
        'cacheS3Tag',
        'cacheTag',
        'gitCloneTag',
        'liteEngineTag',
        's3UploadTag',
      ]);
    });

    it('report a field that is in no set, and leave it out', async () => {
      factory = await startFactory();
      factory.harness.setDefault('ci', 'K8', 'newFeatureTag', 'plugins/cache:1.10.12');
      const report = await factory.sync({ include_sets: 'sto' });
      expect(ownWarnings(report)).toEqual([
        '1 field is in no set and left out: newFeatureTag; include_fields can add it',
      ]);
      expect(Object.keys(factory.overrides())).toEqual(['securityTag']);
      const added = await factory.sync({ include_sets: 'sto', include_fields: ['newFeature*'] });
      expect(ownWarnings(added)).toEqual([]);
      expect(Object.keys(factory.overrides())).toEqual(['securityTag', 'newFeatureTag']);
    });

    it('limit a reset', async () => {
      factory = await startFactory();
      await factory.sync();
      await factory.run('reset', { include_sets: ['cache'] });
      expect(Object.keys(factory.overrides())).toEqual(['addonTag', 'liteEngineTag', 'gitCloneTag', 'securityTag']);
    });

    it.each(['sync', 'reset'])(
      'end a %s when a set has no field in the account, before anything is written',
      async (action) => {
        factory = await startFactory({ harness: { profile: 'self-managed' } });
        const { error } = await factory.run(action, { include_sets: ['core', 'idp'] });
        expect(error?.problems).toEqual([
          {
            path: '$.include_sets[1]',
            found: '"idp"',
            allowed: expect.stringMatching(
              /^a set with fields of these modules and infrastructure types, such as core, /,
            ),
          },
        ]);
        expect(factory.writes()).toEqual([]);
      },
    );
  });
});

describe('dbops', () => {
  let factory: Factory;
  beforeEach(async () => {
    factory = await startFactory({ harness: { profile: 'saas-2026' } });
  });
  afterEach(() => factory.close());

  const modules = ['dbops'];
  const root = '/v1/dbops/execution-config';

  /** The overrides of a complete switch. */
  function copies(): Record<string, string> {
    const { dbops = {} } = factory.harness.defaults;
    return Object.fromEntries(Object.entries(dbops).map(([field, image]) => [field, factory.copyOf(image)]));
  }

  const paths = () => factory.harness.requests.map(({ path }) => path).filter((path) => path.includes('dbops'));

  describe('Database DevOps', () => {
    it('switches to the copies, verifies them, and resets, through the gateway', async () => {
      const report = await factory.sync({ modules });
      expect(report.error).toBeUndefined();
      expect(statuses(report)).toEqual({
        'dbops K8 artifactoryTag': 'updated',
        'dbops K8 defaultTag': 'updated',
        'dbops K8 gitCloneTag': 'updated',
        'dbops K8 mongoTag': 'updated',
        'dbops K8 spannerTag': 'updated',
      });
      expect(factory.overrides('dbops')).toEqual(copies());
      expect(factory.arrived('plugins/drone-liquibase:1.18.0-4.33-mongo')).toBe(
        factory.official('plugins/drone-liquibase:1.18.0-4.33-mongo'),
      );
      expect((await factory.run('verify', { modules })).error).toBeUndefined();
      expect(statuses(await factory.sync({ modules }))).toMatchObject({ 'dbops K8 defaultTag': 'unchanged' });
      expect((await factory.run('reset', { modules })).error).toBeUndefined();
      expect(factory.overrides('dbops')).toEqual({});
      expect(new Set(paths().map((path) => path.slice(0, path.lastIndexOf('/'))))).toEqual(
        new Set([`/gateway${root}`]),
      );
    });

    it('names the account in a header, and neither account nor infrastructure in the address', async () => {
      await factory.run('plan', { modules });
      const requests = factory.harness.requests.filter(({ path }) => path.includes('dbops'));
      expect(requests.map(({ query }) => query)).toEqual(expect.arrayContaining([{}, { overridesOnly: 'true' }]));
      for (const { query } of requests) expect(Object.keys(query)).not.toContain('accountIdentifier');
    });

    it('falls back to the path without the gateway, and tries the gateway once only', async () => {
      factory.harness.quirks.absentPaths = [`/gateway/v1/`];
      const report = await factory.sync({ modules });
      expect(report.error).toBeUndefined();
      expect(factory.overrides('dbops')).toEqual(copies());
      const inVain = paths().filter((path) => path.startsWith('/gateway'));
      // The first two requests run at the same time; each task has a client of its own.
      expect(inVain.length).toBeLessThan(paths().length / 2);
      await factory.run('reset', { modules });
      expect(factory.overrides('dbops')).toEqual({});
    });

    it('puts its overrides back when a later module fails', async () => {
      const before = { mongoTag: 'plugins/drone-liquibase:1.0.0-mongo' };
      Object.assign(factory.harness.state[factory.harness.accountId]?.dbops ?? {}, before);
      factory.harness.quirks.failNext = [{ count: 9, status: 503, path: '/ci/execution-config/update-config' }];
      const report = await factory.sync({
        modules: ['dbops', 'ci'],
        include_fields: ['mongoTag', 'defaultTag', 'addonTag'],
      });
      expect(report.error).toMatchObject({ name: 'HarnessUnreachable' });
      expect(statuses(report)).toMatchObject({ 'dbops K8 mongoTag': 'rolled-back' });
      expect(factory.overrides('dbops')).toEqual(before);
    });

    it('restores the overrides of before a run', async () => {
      const { runId } = await factory.sync({ modules });
      await factory.run('restore', { restore_run: runId });
      expect(factory.overrides('dbops')).toEqual({});
    });

    it('rejects a field that it does not know, and switches the others', async () => {
      factory.harness.quirks.failNext = [
        { count: 1, status: 400, body: { message: 'Field x does not exist' }, path: 'dbops/execution-config/update' },
      ];
      const report = await factory.sync({ modules });
      expect(report.error).toBeUndefined();
      expect(factory.overrides('dbops')).toEqual(copies());
    });

    it('protects its copies from a prune of a run that serves other modules', async () => {
      await factory.sync({ modules });
      for (const version of ['1.0.0', '1.1.0', '1.2.0']) {
        factory.publish([`plugins/cache:${version}`]);
        await factory.sync({ include_fields: ['plugins/cache'], pins: { 'plugins/cache': version } });
      }
      const report = await factory.sync({ include_fields: ['plugins/cache'], prune: true, keep_versions: 1 });
      expect(report.unused?.map(({ reference }) => reference)).toEqual(
        expect.arrayContaining([factory.copyOf('plugins/cache:1.0.0')]),
      );
      for (const copy of Object.values(copies())) {
        expect(report.unused?.map(({ reference }) => reference)).not.toContain(copy);
      }
    });

    it.each([
      ['a page', '<html>Log in</html>', 'text/html', 'HarnessUnexpectedResponse'],
      ['a list', ['x'], 'application/json', 'HarnessUnexpectedResponse'],
      ['nothing', undefined, 'text/plain', 'HarnessUnexpectedResponse'],
    ])('fails for a response that is %s', async (_, body, type, name) => {
      const canned = {
        count: 9,
        status: 200,
        body,
        headers: { 'content-type': type },
        path: 'dbops/execution-config/get-default',
      };
      factory.harness.quirks.failNext = [canned];
      expect((await factory.run('plan', { modules })).error).toMatchObject({ name });
    });
  });

  it('ends a run on an installation without Database DevOps before any write, and says what to do', async () => {
    await factory.close();
    factory = await startFactory({ harness: { profile: 'self-managed' } });
    const { error } = await factory.sync({ modules: ['ci', 'dbops'] });
    expect(error).toMatchObject({ hint: 'Leave dbops out of modules: this Harness does not serve it.' });
    expect(factory.writes()).toEqual([]);
  });
});
