import { afterEach, describe, expect, it } from '@jest/globals';
import { type Factory, type FactoryOptions, imageStatuses, startFactory, statuses } from './factory.ts';

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
    expect(report.error).toMatchObject({ name: 'HarnessRejected', message: expect.stringContaining('data is false') });
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
    expect(imageStatuses(report)).toEqual({ 'harness/drone-git:1.7.25': 'copied', 'plugins/cache:1.10.12': 'copied' });
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
