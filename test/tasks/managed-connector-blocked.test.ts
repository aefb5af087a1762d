import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Report } from '../../functions/state/documents.ts';
import { summaryOf } from '../../infra/local/summary.ts';
import type { Factory } from './factory.ts';
import { gar, ManagedAccount, nothing, scopes, whole } from './managed-account.ts';

let account: ManagedAccount;
let factory: Factory;
beforeEach(async () => {
  account = await ManagedAccount.start();
  ({ factory } = account);
});
afterEach(() => factory.close());

async function expectBlocked(input: object, reason: string, step: string): Promise<Report> {
  const plan = await factory.run('plan', input);
  expect(plan).toMatchObject({ status: 'SUCCEEDED', blocked: { reason: expect.stringContaining(reason) } });
  expect(plan.connector).toBeUndefined();
  const report = await factory.sync(input);
  expect(report).toMatchObject({
    status: 'FAILED',
    error: { name: 'SwitchBlocked' },
    blocked: { reason: expect.stringContaining(reason), steps: expect.arrayContaining([step]) },
    totals: { failed: 0 },
  });
  return report;
}

describe('a change of the connector that would break pods', () => {
  it('names the images of other modules, of VM and of Windows, with the input that copies them', async () => {
    const text = summaryOf(await factory.run('plan', { manage_connector: true }));
    expect(text).toContain(`${factory.copyOf('harness/drone-git:1.7.25')} `);
    expect(text).not.toContain(' elsewhere');
    const report = await expectBlocked(
      { manage_connector: true },
      `with connector account.harnessImage at ${account.ours} in place of ${gar}, pods would miss `,
      `Copy them too, in this and every later run: add {"modules":["ci","iacm"],"infrastructure_type":["K8","VM"],"include_windows_rootless":true} to the input.`,
    );
    expect(report.blocked?.missing?.flatMap(({ fields }) => fields)).toEqual([
      'ci K8 addonTagRootless',
      'ci K8 liteEngineTagRootless',
      'ci VM gitCloneTag',
      'iacm K8 iacmTerraform',
    ]);
    account.expectUnchanged();
    expect((await factory.sync(whole)).error).toBeUndefined();
  });

  it('copies with a key that may not write, which a switch that is blocked does not need', async () => {
    account.lose('core_account_edit');
    const report = await factory.sync(scopes);
    expect(report).toMatchObject({ error: { name: 'SwitchBlocked' }, totals: { failed: 0 } });
    expect(report.totals?.copied).toBeGreaterThan(0);
    account.expectUnchanged();
  });

  it('names overrides for other registries, of modules that the run does not serve too', async () => {
    account.state.ci.K8 = { securityTag: 'acme.example/sto:1' };
    account.state.iacm.K8 = { iacmTerraform: 'acme.example:5000/terraform:2' };
    await expectBlocked(
      { ...whole, modules: ['ci'] },
      `pods would miss ${factory.registry}/acme.example/sto:1, acme.example:5000/terraform:2`,
      `Reset ci K8 securityTag, iacm K8 iacmTerraform, or copy what their overrides name to ${factory.registry}/….`,
    );
    expect(account.address).toBe(gar);
    expect(account.written).toEqual([]);
  });

  it('names excluded images', async () => {
    await expectBlocked(
      { ...whole, exclude_fields: ['securityTag'] },
      'pods would miss harness/sto-plugin:latest',
      'Copy them too, in this and every later run: leave no field of them out, or use extra_images.',
    );
    account.expectUnchanged();
  });

  it('counts an image as missing that the registry does not let the factory look up', async () => {
    account.state.ci.K8 = { securityTag: 'acme.example/sto:1' };
    factory.target.faults.add({ match: { path: /acme\.example/, times: 99 }, act: { status: 403 } });
    await expectBlocked(whole, 'acme.example/sto:1', 'Run sync again.');
    expect(account.written).toEqual([]);
  });

  it('does not send credentials to another host', async () => {
    account.connector.spec['auth'] = { type: 'UsernamePassword' };
    await expectBlocked(
      whole,
      `connector account.harnessImage has credentials for us-docker.pkg.dev (UsernamePassword), which Harness would send to ${factory.target.host}`,
      `Give connector account.harnessImage the address ${account.ours}, with credentials for ${factory.target.host}.`,
    );
    account.expectUnchanged();
  });

  it('keeps credentials when the host stays the same', async () => {
    account.state.secrets = [
      {
        identifier: 'password',
        name: 'password',
        type: 'SecretText',
        spec: { secretManagerIdentifier: 'harnessSecretManager', valueType: 'Inline', value: 'x' },
      },
    ];
    const auth = { type: 'UsernamePassword', spec: { username: 'AWS', passwordRef: 'account.password' } };
    Object.assign(account.connector.spec, { dockerRegistryUrl: `http://${factory.target.host}`, auth });
    const report = await factory.sync(whole);
    expect(report.error).toBeUndefined();
    expect(account.connector.spec).toMatchObject({ dockerRegistryUrl: account.ours, auth });
    expect(report.warnings).not.toContainEqual(expect.stringContaining('has no credentials'));
  });

  it('does not touch an address with credentials, and shows none', async () => {
    account.address = 'https://user:hunter2@elsewhere.example/x';
    const report = await expectBlocked(whole, 'has credentials in its address', 'Run sync again.');
    expect(JSON.stringify(report)).not.toContain('hunter2');
    const verified = await factory.run('verify', whole);
    expect(verified.error?.message).toContain(`connector account.harnessImage is https://elsewhere.example/x, not`);
    expect(await factory.stored('runs/')).not.toContain('hunter2');
    expect(account.written).toEqual([]);
  });

  it.each([
    ['core_connector_edit', 'the key may not change connector account.harnessImage: it lacks core_connector_edit'],
    ['core_connector_view', 'core_connector_view'],
  ] as const)('names the permission that the key lacks: %s', async (permission, reason) => {
    account.lose(permission);
    const report = await expectBlocked(whole, reason, 'Run sync again.');
    expect(report.blocked?.steps[0]).toContain(permission);
    account.expectUnchanged();
  });

  it('switches nothing when another module cannot be read', async () => {
    factory.harness.quirks.failNext = [{ count: 99, status: 403, path: '/gateway/idp/' }];
    await expectBlocked(whole, 'idp/K8', 'Run sync again.');
    account.expectUnchanged();
  });

  it('passes over a module that the installation lacks', async () => {
    factory.harness.quirks.absentPaths = ['/gateway/idp/'];
    expect((await factory.sync(whole)).error).toBeUndefined();
  });

  it('switches nothing when one image fails, with on_partial_failure: update-succeeded too', async () => {
    factory.target.faults.add({
      match: { path: /sto-plugin\/manifests/, method: 'PUT', times: 99 },
      act: { status: 400 },
    });
    const { error } = await factory.sync({ ...whole, on_partial_failure: 'update-succeeded' });
    expect(error).toMatchObject({ name: 'ImagesFailed', hint: expect.stringContaining('needs every image') });
    account.expectUnchanged();
  });

  it('switches nothing when an image that no field of the run uses is incomplete', async () => {
    factory.publish(['acme/sto:1']);
    account.state.iacm.K8 = { iacmTerraform: factory.copyOf('acme/sto:1') };
    await factory.sync({ modify_default: false, extra_images: ['acme/sto:1'] });
    const { storage } = factory.target;
    for (const blob of storage.blobs('mirror/acme/sto')) storage.deleteBlob('mirror/acme/sto', blob);
    const { error } = await factory.sync({ ...whole, modules: ['ci'] });
    expect(error).toMatchObject({ name: 'ImagesIncomplete', message: expect.stringContaining('acme/sto:1 lacks') });
    expect(account.address).toBe(gar);
  });
});

describe('somebody else who changes Harness during the run', () => {
  it.each([
    ['changes the address', () => (account.address = 'https://else.example'), 'was changed by someone else'],
    ['adds credentials', () => (account.connector.spec['auth'] = { type: 'UsernamePassword' }), 'has credentials for'],
    ['removes the connector', () => (account.state.connectors = []), 'connector account.harnessImage was removed'],
    [
      'sets an override',
      () => (account.state.idp.K8 = { x: 'acme.example/x:1' }),
      'the images of idp K8 x were changed during the run',
    ],
  ])('%s before the switch: nothing is written', async (_, act, message) => {
    account.onDocument('images/0', act);
    const { error } = await factory.sync(whole);
    expect(error).toMatchObject({ name: 'SwitchBlocked', message: expect.stringContaining(message) });
    expect(account.written).toEqual([]);
  });

  it('takes the permission away before the switch: nothing is written', async () => {
    account.onDocument('images/0', () => account.lose('core_connector_edit'));
    const { error } = await factory.sync(whole);
    expect(error).toMatchObject({ name: 'HarnessForbidden', message: expect.stringContaining('core_connector_edit') });
    account.expectUnchanged();
  });

  it('changes the connector after the snapshot: the run writes no field and leaves the connector', async () => {
    account.onDocument('snapshot', () => (account.address = 'https://else.example'));
    const report = await factory.sync(whole);
    expect(report.error).toMatchObject({ name: 'SwitchBlocked' });
    expect(report.connector).toMatchObject({ after: 'https://else.example', status: 'unchanged' });
    expect(account.written).toEqual([]);
    expect(account.address).toBe('https://else.example');
  });

  it('changes the connector after the switch: verify finds it, and the rollback leaves it', async () => {
    account.onDocument('config', () => (account.address = `${account.ours}/else`));
    const report = await factory.sync(whole);
    expect(report.error).toMatchObject({
      name: 'VerificationFailed',
      message: expect.stringContaining(`connector account.harnessImage is ${account.ours}/else, not ${account.ours}`),
    });
    expect(report.connector).toMatchObject({ after: `${account.ours}/else`, status: 'unchanged' });
    expect(account.overrides).toEqual(nothing);
    expect(account.address).toBe(`${account.ours}/else`);
  });
});
