import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ConnectorResult } from '../../functions/state/documents.ts';
import { describeChanges } from '../../infra/local/changes.ts';
import { paper } from '../../infra/local/screen.ts';
import { summaryOf } from '../../infra/local/summary.ts';
import { type Factory, k8, statuses } from './factory.ts';
import { gar, ManagedAccount, nothing, scopes, whole } from './managed-account.ts';

let account: ManagedAccount;
let factory: Factory;
beforeEach(async () => {
  account = await ManagedAccount.start();
  ({ factory } = account);
});
afterEach(() => factory.close());

describe('a sync with manage_connector', () => {
  it('changes the connector first, then the fields, and reports both', async () => {
    const before = structuredClone(account.connector);
    const change: ConnectorResult = {
      reference: 'account.harnessImage',
      before: gar,
      after: account.ours,
      status: 'planned',
    };
    const plan = await factory.run('plan', whole);
    expect(plan).toMatchObject({ status: 'SUCCEEDED', connector: change });
    expect(plan.warnings).toContainEqual(
      `manage_connector: everything that uses connector account.harnessImage of the account will pull from ${account.ours}, pipelines with images of their own too. Copy the images that you use and no field names: extra_sets has sto-scanners, cd-steps, ci-plugins`,
    );
    expect(plan.warnings).toContainEqual(
      `connector account.harnessImage has no credentials: the nodes need rights of their own to pull from ${factory.target.host}`,
    );
    expect(summaryOf(plan)).toContain(`connector account.harnessImage: ${gar} → ${account.ours} (planned)`);
    account.expectUnchanged();

    const report = await factory.sync(whole);
    expect(report.error).toBeUndefined();
    expect(report.connector).toEqual({ ...change, status: 'changed' });
    expect(new Set(report.pulls?.map(({ status }) => status))).toEqual(new Set(['present']));
    expect(account.written[0]).toBe('PUT connectors');
    expect(account.overrides).toEqual(account.copies);
    expect(account.connector).toEqual({ ...before, spec: { ...before.spec, dockerRegistryUrl: account.ours } });

    factory.harness.requests.length = 0;
    const next = await factory.sync(whole);
    expect(next.connector).toBeUndefined();
    expect(account.written).toEqual([]);
    expect(summaryOf(next)).toContain('nothing to do');
  });

  it.each([
    ['Docker Hub', 'https://index.docker.io/v2/', 'DockerHub', 'Other'],
    ['the host of the registry without its path', () => `http://${factory.target.host}`, 'Other', 'Other'],
    ['another path on the host of the registry', () => `http://${factory.target.host}/old`, 'Harbor', 'Harbor'],
  ])('moves a connector for %s', async (_, url, providerType, after) => {
    Object.assign(account.connector.spec, { dockerRegistryUrl: typeof url === 'string' ? url : url(), providerType });
    expect((await factory.sync(whole)).error).toBeUndefined();
    expect(account.connector.spec).toMatchObject({ dockerRegistryUrl: account.ours, providerType: after });
  });

  it('changes the connector alone when the fields are switched already', async () => {
    Object.assign(account.connector.spec, { dockerRegistryUrl: 'https://index.docker.io/v2/' });
    await factory.sync(scopes);
    factory.harness.requests.length = 0;
    const report = await factory.sync(whole);
    expect(report.error).toBeUndefined();
    expect(report.connector).toMatchObject({ after: account.ours, status: 'changed' });
    expect(account.written).toEqual(['PUT connectors']);
    expect(await factory.document(`runs/${report.runId}/snapshot.json`)).toMatchObject({
      scopes: [],
      connector: { document: { identifier: 'harnessImage', description: 'Harness images' } },
    });
    expect(describeChanges(await factory.document(`runs/${report.runId}/plan.json`), paper)).toBe(
      `~ connector account.harnessImage: https://index.docker.io/v2/ → ${account.ours} (planned)`,
    );
    expect((await factory.run('restore', { restore_run: report.runId })).error).toBeUndefined();
    expect(account.address).toBe('https://index.docker.io/v2/');
  });

  it('writes values without the registry through the new address', async () => {
    const report = await factory.sync({ ...whole, override_values: 'relative' });
    expect(report.error).toBeUndefined();
    expect(account.address).toBe(account.ours);
    expect(factory.overrides()).toEqual(k8);
  });

  it('leaves the connector alone when the schedule started it and no person has switched Harness', async () => {
    const night = {
      ...whole,
      started_by_schedule: 'arn:aws:scheduler:eu-west-1:123456789012:schedule/default/nightly',
    };
    const report = await factory.run('', night);
    const awaiting = { command: expect.stringContaining('"manage_connector":true') };
    expect(report).toMatchObject({ status: 'SUCCEEDED', awaiting });
    expect(report.connector).toBeUndefined();
    // Nothing is left to switch.
    const soaking = await factory.run('', { ...night, soak_days: 30 });
    expect(soaking).toMatchObject({ status: 'SUCCEEDED', soaking: expect.any(Array) });
    expect(soaking).not.toHaveProperty('awaiting');
    account.expectUnchanged();
    expect((await factory.sync(whole)).error).toBeUndefined();
    account.address = 'https://index.docker.io/v2/';
    expect((await factory.run('', night)).connector).toMatchObject({ after: account.ours, status: 'changed' });
  });

  it.each([
    ['does not exist', () => (account.state.connectors = [])],
    ['is of type Nexus', () => Object.assign(account.connector, { type: 'Nexus', spec: {} })],
  ])('says that it has no effect on a connector that %s', async (why, act) => {
    act();
    const report = await factory.sync(whole);
    expect(report.error).toBeUndefined();
    expect(report.warnings).toContainEqual(`manage_connector has no effect: connector account.harnessImage ${why}`);
    expect(account.overrides).toEqual(account.copies);
  });

  it('advises to leave out no field, because the new address reaches every image', async () => {
    const { warnings } = await factory.run('plan', whole);
    const reach = warnings?.filter((warning) => warning.includes(' uses the overrides of ')) ?? [];
    expect(reach).toHaveLength(2);
    for (const warning of reach) expect(warning).toMatch(/Make sure that (?:their clusters|Harness Cloud) can/);
    expect(reach.join()).not.toMatch(/exclude_fields|infrastructure_type/);
  });

  it('leaves the connector alone without the key, and with modify_default: false', async () => {
    const report = await factory.sync(scopes);
    expect(report.blocked?.steps[2]).toContain('With "manage_connector": true, sync does it.');
    expect((await factory.sync({ ...whole, modify_default: false })).error).toBeUndefined();
    account.expectUnchanged();
  });

  it('rolls back when a removed connector shows no address', async () => {
    account.onDocument('config', () => (account.state.connectors = []));
    const { error, connector: outcome } = await factory.sync(whole);
    expect(error?.message).toContain(`connector account.harnessImage is removed, not ${account.ours}`);
    expect(outcome).toMatchObject({ after: 'removed', status: 'unchanged' });
    expect(account.overrides).toEqual(nothing);
  });

  it('accepts a field that Harness refuses to change and that has no override', async () => {
    factory.harness.quirks.nonWritableFields = ['ci/K8/securityTag'];
    const report = await factory.sync(whole);
    expect(report.error).toBeUndefined();
    expect(statuses(report)['ci K8 securityTag']).toBe('rejected');
    expect(account.address).toBe(account.ours);
  });

  it('rolls back when Harness refuses a field whose old override does not work through the new address', async () => {
    const old = { securityTag: 'us-docker.pkg.dev/gar-prod-setup/harness-public/harness/sto-plugin:1' };
    account.state.ci.K8 = { ...old };
    factory.harness.quirks.nonWritableFields = ['ci/K8/securityTag'];
    const { error } = await factory.sync(whole);
    expect(error).toMatchObject({
      name: 'VerificationFailed',
      message: expect.stringContaining(`instead of ${old.securityTag}, through account.harnessImage`),
    });
    expect([account.address, ...account.overrides]).toEqual([gar, old, {}, {}]);
    const next = await factory.sync(whole);
    expect(next.blocked?.missing).toMatchObject([{ fields: ['ci K8 securityTag'], status: 'missing' }]);
  });

  it('reads the connector again when a read after the switch shows the old address', async () => {
    const old = { status: 'SUCCESS', data: { connector: structuredClone(account.connector) } };
    account.onDocument('config', () => {
      factory.harness.quirks.failNext = [{ count: 2, status: 200, body: old, path: '/connectors', method: 'GET' }];
    });
    expect((await factory.sync(whole)).error).toBeUndefined();
    expect(factory.harness.quirks.failNext).toMatchObject([{ count: 0 }]);
    expect(account.address).toBe(account.ours);
  });

  it('lists the connector among the differences that verify finds', async () => {
    const { error, connector: planned } = await factory.run('verify', whole);
    expect(error?.message).toContain(`connector account.harnessImage is ${gar}, not ${account.ours}`);
    expect(planned?.status).toBe('planned');
    account.expectUnchanged();
  });

  it('changes a connector of a project, and the warning names it', async () => {
    const environment = { CONTAINER_REGISTRY_CONNECTOR: 'mirror', ORG_ID: 'default', PROJECT_ID: 'ci' };
    const scope = { orgIdentifier: 'default', projectIdentifier: 'ci' };
    await factory.close();
    account = await ManagedAccount.start({ environment });
    ({ factory } = account);
    Object.assign(account.connector, { identifier: 'mirror', ...scope });
    const report = await factory.sync(whole);
    expect(report.error).toBeUndefined();
    expect(report.warnings).toContainEqual(
      expect.stringContaining('connector mirror of project ci of organization default'),
    );
    expect(account.connector).toMatchObject({
      identifier: 'mirror',
      ...scope,
      spec: { dockerRegistryUrl: account.ours },
    });
  });
});
