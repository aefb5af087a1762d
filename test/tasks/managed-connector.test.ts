import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FactoryError } from '../../functions/errors.ts';
import { report } from '../../functions/report/report.ts';
import type { ConnectorResult, Report } from '../../functions/state/documents.ts';
import { updateConfig } from '../../functions/update-config/update-config.ts';
import { allPermissions, type Permission } from '../../infra/local/embedded/harness-api/authentication.ts';
import type { ConnectorDocument } from '../../infra/local/embedded/harness-api/state.ts';
import { describeChanges, summaryOf } from '../../infra/local/summary.ts';
import { type Factory, type FactoryOptions, k8, startFactory, statuses, vm } from './factory.ts';

const gar = 'https://us-docker.pkg.dev/gar-prod-setup/harness-public';
const terraform = 'plugins/harness_terraform:latest';
const scopes = { modules: ['ci', 'iacm'], infrastructure_type: ['K8', 'VM'], include_windows_rootless: true };
/** Copies and switches everything that pods pull. */
const whole = { ...scopes, manage_connector: true };

let factory: Factory;
beforeEach(() => start());
/** Runs that were killed. */
let stopped: { run: Promise<unknown>; release: () => void }[] = [];
afterEach(async () => {
  for (const { release } of stopped) release();
  await Promise.all(stopped.map(({ run }) => run));
  stopped = [];
  await factory.close();
});

/** The permissions of the key, which a test may change. */
let permissions: Permission[];

/** Starts an account with few images in two modules, whose connector is for Google Artifact Registry. */
async function start(options: FactoryOptions = {}): Promise<void> {
  await (factory as Factory | undefined)?.close();
  const defaults = { iacm: { K8: { iacmTerraform: terraform } }, idp: { K8: {} }, dbops: {} };
  permissions = [...allPermissions];
  const keys = [{ key: 'sat.embedded.key.secret-of-key', accountId: 'embedded', permissions }];
  factory = await startFactory({
    findExecution: async () => ({ status: 'ABORTED' }),
    startCommand: (input) => `start ${JSON.stringify(input)}`,
    ...options,
    harness: { connector: 'gar', defaults, keys },
  });
  factory.publish([terraform]);
}

function account() {
  const state = factory.harness.state[factory.harness.accountId];
  if (!state) throw new Error('the account is gone');
  return state;
}
function connector(): ConnectorDocument {
  const [found] = account().connectors;
  if (!found) throw new Error('the connector is gone');
  return found;
}
const addressNow = () => connector().spec['dockerRegistryUrl'];
const ours = () => `http://${factory.registry}`;
/** Everything that writes to Harness, in order. */
const written = () =>
  factory.harness.requests
    .filter(({ method, path }) => method === 'PUT' || /(?:update|reset)-config$/.test(path))
    .map(({ method, path }) => `${method} ${path.slice(path.lastIndexOf('/') + 1)}`);
const allOverrides = () => [factory.overrides(), factory.overrides('ci', 'VM'), factory.overrides('iacm')];
const nothing = [{}, {}, {}];
const copies = (images: object) =>
  Object.fromEntries(Object.entries(images).map(([field, image]) => [field, factory.copyOf(image as string)]));
const all = () => [copies(k8), copies(vm), copies({ iacmTerraform: terraform })];

/** Does something each time the store writes a document, until it returns true. */
function onDocument(name: string, act: () => void): void {
  factory.store.onPut = (key) => {
    if (!key.endsWith(`/${name}.json`)) return;
    factory.store.onPut = () => undefined;
    act();
  };
}

function lose(permission: Permission): void {
  permissions.splice(permissions.indexOf(permission), 1);
}

function expectUnchanged(): void {
  expect(addressNow()).toBe(gar);
  expect(allOverrides()).toEqual(nothing);
  expect(written()).toEqual([]);
}

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

describe('a sync with manage_connector', () => {
  it('changes the connector first, then the fields, and reports both', async () => {
    const before = structuredClone(connector());
    const change: ConnectorResult = {
      reference: 'account.harnessImage',
      before: gar,
      after: ours(),
      status: 'planned',
    };
    const plan = await factory.run('plan', whole);
    expect(plan).toMatchObject({ status: 'SUCCEEDED', connector: change });
    expect(plan.warnings).toContainEqual(
      `manage_connector: everything that uses connector account.harnessImage of the account will pull from ${ours()}, pipelines with images of their own too`,
    );
    expect(plan.warnings).toContainEqual(
      `connector account.harnessImage has no credentials: the nodes need rights of their own to pull from ${factory.target.host}`,
    );
    expect(summaryOf(plan)).toContain(`connector account.harnessImage: ${gar} → ${ours()} (planned)`);
    expectUnchanged();

    const report = await factory.sync(whole);
    expect(report.error).toBeUndefined();
    expect(report.connector).toEqual({ ...change, status: 'changed' });
    expect(new Set(report.pulls?.map(({ status }) => status))).toEqual(new Set(['present']));
    expect(written()[0]).toBe('PUT connectors');
    expect(allOverrides()).toEqual(all());
    expect(connector()).toEqual({ ...before, spec: { ...before.spec, dockerRegistryUrl: ours() } });

    factory.harness.requests.length = 0;
    const next = await factory.sync(whole);
    expect(next.connector).toBeUndefined();
    expect(written()).toEqual([]);
    expect(summaryOf(next)).toContain('nothing to do');
  });

  it.each([
    ['Docker Hub', 'https://index.docker.io/v2/', 'DockerHub', 'Other'],
    ['the host of the registry without its path', () => `http://${factory.target.host}`, 'Other', 'Other'],
    ['another path on the host of the registry', () => `http://${factory.target.host}/old`, 'Harbor', 'Harbor'],
  ])('moves a connector for %s', async (_, url, providerType, after) => {
    Object.assign(connector().spec, { dockerRegistryUrl: typeof url === 'string' ? url : url(), providerType });
    expect((await factory.sync(whole)).error).toBeUndefined();
    expect(connector().spec).toMatchObject({ dockerRegistryUrl: ours(), providerType: after });
  });

  it('changes the connector alone when the fields are switched already', async () => {
    Object.assign(connector().spec, { dockerRegistryUrl: 'https://index.docker.io/v2/' });
    await factory.sync(scopes);
    factory.harness.requests.length = 0;
    const report = await factory.sync(whole);
    expect(report.error).toBeUndefined();
    expect(report.connector).toMatchObject({ after: ours(), status: 'changed' });
    expect(written()).toEqual(['PUT connectors']);
    expect(await factory.document(`runs/${report.runId}/snapshot.json`)).toMatchObject({
      scopes: [],
      connector: { document: { identifier: 'harnessImage', description: 'Harness images' } },
    });
    expect(describeChanges(await factory.document(`runs/${report.runId}/plan.json`))).toBe(
      `connector account.harnessImage: https://index.docker.io/v2/ → ${ours()} (planned)`,
    );
    expect((await factory.run('restore', { restore_run: report.runId })).error).toBeUndefined();
    expect(addressNow()).toBe('https://index.docker.io/v2/');
  });

  it('writes values without the registry through the new address', async () => {
    const report = await factory.sync({ ...whole, override_values: 'relative' });
    expect(report.error).toBeUndefined();
    expect(addressNow()).toBe(ours());
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
    expectUnchanged();
    expect((await factory.sync(whole)).error).toBeUndefined();
    connector().spec['dockerRegistryUrl'] = 'https://index.docker.io/v2/';
    expect((await factory.run('', night)).connector).toMatchObject({ after: ours(), status: 'changed' });
  });

  it.each([
    ['does not exist', () => (account().connectors = [])],
    ['is of type Nexus', () => Object.assign(connector(), { type: 'Nexus', spec: {} })],
  ])('says that it has no effect on a connector that %s', async (why, act) => {
    act();
    const report = await factory.sync(whole);
    expect(report.error).toBeUndefined();
    expect(report.warnings).toContainEqual(`manage_connector has no effect: connector account.harnessImage ${why}`);
    expect(allOverrides()).toEqual(all());
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
    expectUnchanged();
  });

  it('rolls back when a removed connector shows no address', async () => {
    onDocument('config', () => (account().connectors = []));
    const { error, connector: outcome } = await factory.sync(whole);
    expect(error?.message).toContain(`connector account.harnessImage is removed, not ${ours()}`);
    expect(outcome).toMatchObject({ after: 'removed', status: 'unchanged' });
    expect(allOverrides()).toEqual(nothing);
  });

  it('accepts a field that Harness refuses to change and that has no override', async () => {
    factory.harness.quirks.nonWritableFields = ['ci/K8/securityTag'];
    const report = await factory.sync(whole);
    expect(report.error).toBeUndefined();
    expect(statuses(report)['ci K8 securityTag']).toBe('rejected');
    expect(addressNow()).toBe(ours());
  });

  it('rolls back when Harness refuses a field whose old override does not work through the new address', async () => {
    const old = { securityTag: 'us-docker.pkg.dev/gar-prod-setup/harness-public/harness/sto-plugin:1' };
    account().ci.K8 = { ...old };
    factory.harness.quirks.nonWritableFields = ['ci/K8/securityTag'];
    const { error } = await factory.sync(whole);
    expect(error).toMatchObject({
      name: 'VerificationFailed',
      message: expect.stringContaining(`instead of ${old.securityTag}, through account.harnessImage`),
    });
    expect([addressNow(), ...allOverrides()]).toEqual([gar, old, {}, {}]);
    const next = await factory.sync(whole);
    expect(next.blocked?.missing).toMatchObject([{ fields: ['ci K8 securityTag'], status: 'missing' }]);
  });

  it('reads the connector again when a read after the switch shows the old address', async () => {
    const old = { status: 'SUCCESS', data: { connector: structuredClone(connector()) } };
    onDocument('config', () => {
      factory.harness.quirks.failNext = [{ count: 2, status: 200, body: old, path: '/connectors', method: 'GET' }];
    });
    expect((await factory.sync(whole)).error).toBeUndefined();
    expect(factory.harness.quirks.failNext).toMatchObject([{ count: 0 }]);
    expect(addressNow()).toBe(ours());
  });

  it('lists the connector among the differences that verify finds', async () => {
    const { error, connector: planned } = await factory.run('verify', whole);
    expect(error?.message).toContain(`connector account.harnessImage is ${gar}, not ${ours()}`);
    expect(planned?.status).toBe('planned');
    expectUnchanged();
  });

  it('changes a connector of a project, and the warning names it', async () => {
    const environment = { CONTAINER_REGISTRY_CONNECTOR: 'mirror', ORG_ID: 'default', PROJECT_ID: 'ci' };
    const scope = { orgIdentifier: 'default', projectIdentifier: 'ci' };
    await start({ environment });
    Object.assign(connector(), { identifier: 'mirror', ...scope });
    const report = await factory.sync(whole);
    expect(report.error).toBeUndefined();
    expect(report.warnings).toContainEqual(
      expect.stringContaining('connector mirror of project ci of organization default'),
    );
    expect(connector()).toMatchObject({ identifier: 'mirror', ...scope, spec: { dockerRegistryUrl: ours() } });
  });
});

describe('a change of the connector that would break pods', () => {
  it('names the images of other modules, of VM and of Windows, with the input that copies them', async () => {
    const text = summaryOf(await factory.run('plan', { manage_connector: true }));
    expect(text).toContain(`${factory.copyOf('harness/drone-git:1.7.25')} `);
    expect(text).not.toContain(' elsewhere');
    const report = await expectBlocked(
      { manage_connector: true },
      `with connector account.harnessImage at ${ours()} in place of ${gar}, pods would miss `,
      `Copy them too, in this and every later run: add {"modules":["ci","iacm"],"infrastructure_type":["K8","VM"],"include_windows_rootless":true} to the input.`,
    );
    expect(report.blocked?.missing?.flatMap(({ fields }) => fields)).toEqual([
      'ci K8 addonTagRootless',
      'ci K8 liteEngineTagRootless',
      'ci VM gitCloneTag',
      'iacm K8 iacmTerraform',
    ]);
    expectUnchanged();
    expect((await factory.sync(whole)).error).toBeUndefined();
  });

  it('names overrides for other registries, of modules that the run does not serve too', async () => {
    account().ci.K8 = { securityTag: 'acme.example/sto:1' };
    account().iacm.K8 = { iacmTerraform: 'acme.example:5000/terraform:2' };
    await expectBlocked(
      { ...whole, modules: ['ci'] },
      `pods would miss ${factory.registry}/acme.example/sto:1, acme.example:5000/terraform:2`,
      `Reset ci K8 securityTag, iacm K8 iacmTerraform, or copy what their overrides name to ${factory.registry}/….`,
    );
    expect(addressNow()).toBe(gar);
    expect(written()).toEqual([]);
  });

  it('names excluded images', async () => {
    await expectBlocked(
      { ...whole, exclude_fields: ['securityTag'] },
      'pods would miss harness/sto-plugin:latest',
      'Copy them too, in this and every later run: leave no field of them out, or use extra_images.',
    );
    expectUnchanged();
  });

  it('counts an image as missing that the registry does not let the factory look up', async () => {
    account().ci.K8 = { securityTag: 'acme.example/sto:1' };
    factory.target.faults.add({ match: { path: /acme\.example/, times: 99 }, act: { status: 403 } });
    await expectBlocked(whole, 'acme.example/sto:1', 'Run sync again.');
    expect(written()).toEqual([]);
  });

  it('does not send credentials to another host', async () => {
    connector().spec['auth'] = { type: 'UsernamePassword' };
    await expectBlocked(
      whole,
      `connector account.harnessImage has credentials for us-docker.pkg.dev (UsernamePassword), which Harness would send to ${factory.target.host}`,
      `Give connector account.harnessImage the address ${ours()}, with credentials for ${factory.target.host}.`,
    );
    expectUnchanged();
  });

  it('keeps credentials when the host stays the same', async () => {
    account().secrets = [
      {
        identifier: 'password',
        name: 'password',
        type: 'SecretText',
        spec: { secretManagerIdentifier: 'harnessSecretManager', valueType: 'Inline', value: 'x' },
      },
    ];
    const auth = { type: 'UsernamePassword', spec: { username: 'AWS', passwordRef: 'account.password' } };
    Object.assign(connector().spec, { dockerRegistryUrl: `http://${factory.target.host}`, auth });
    const report = await factory.sync(whole);
    expect(report.error).toBeUndefined();
    expect(connector().spec).toMatchObject({ dockerRegistryUrl: ours(), auth });
    expect(report.warnings).not.toContainEqual(expect.stringContaining('has no credentials'));
  });

  it('does not touch an address with credentials, and shows none', async () => {
    connector().spec['dockerRegistryUrl'] = 'https://user:hunter2@elsewhere.example/x';
    const report = await expectBlocked(whole, 'has credentials in its address', 'Run sync again.');
    expect(JSON.stringify(report)).not.toContain('hunter2');
    const verified = await factory.run('verify', whole);
    expect(verified.error?.message).toContain(`connector account.harnessImage is https://elsewhere.example/x, not`);
    const documents = (await factory.store.list('runs/')).map((key) => factory.document<unknown>(key));
    expect(JSON.stringify(await Promise.all(documents))).not.toContain('hunter2');
    expect(written()).toEqual([]);
  });

  it.each([
    ['core_connector_edit', 'the key may not change connector account.harnessImage: it lacks core_connector_edit'],
    ['core_connector_view', 'core_connector_view'],
  ] as const)('names the permission that the key lacks: %s', async (permission, reason) => {
    lose(permission);
    const report = await expectBlocked(whole, reason, 'Run sync again.');
    expect(report.blocked?.steps[0]).toContain(permission);
    expectUnchanged();
  });

  it('switches nothing when another module cannot be read', async () => {
    factory.harness.quirks.failNext = [{ count: 99, status: 403, path: '/gateway/idp/' }];
    await expectBlocked(whole, 'idp/K8', 'Run sync again.');
    expectUnchanged();
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
    expectUnchanged();
  });

  it('switches nothing when an image that no field of the run uses is incomplete', async () => {
    factory.publish(['acme/sto:1']);
    account().iacm.K8 = { iacmTerraform: factory.copyOf('acme/sto:1') };
    await factory.sync({ modify_default: false, extra_images: ['acme/sto:1'] });
    const { storage } = factory.target;
    for (const blob of storage.blobs('mirror/acme/sto')) storage.deleteBlob('mirror/acme/sto', blob);
    const { error } = await factory.sync({ ...whole, modules: ['ci'] });
    expect(error).toMatchObject({ name: 'ImagesIncomplete', message: expect.stringContaining('acme/sto:1 lacks') });
    expect(addressNow()).toBe(gar);
  });
});

describe('somebody else who changes Harness during the run', () => {
  it.each([
    [
      'changes the address',
      () => (connector().spec['dockerRegistryUrl'] = 'https://else.example'),
      'was changed by someone else',
    ],
    ['adds credentials', () => (connector().spec['auth'] = { type: 'UsernamePassword' }), 'has credentials for'],
    ['removes the connector', () => (account().connectors = []), 'connector account.harnessImage was removed'],
    [
      'sets an override',
      () => (account().idp.K8 = { x: 'acme.example/x:1' }),
      'the images of idp K8 x were changed during the run',
    ],
  ])('%s before the switch: nothing is written', async (_, act, message) => {
    onDocument('images/0', act);
    const { error } = await factory.sync(whole);
    expect(error).toMatchObject({ name: 'SwitchBlocked', message: expect.stringContaining(message) });
    expect(written()).toEqual([]);
  });

  it('takes the permission away before the switch: nothing is written', async () => {
    onDocument('images/0', () => lose('core_connector_edit'));
    const { error } = await factory.sync(whole);
    expect(error).toMatchObject({ name: 'HarnessForbidden', message: expect.stringContaining('core_connector_edit') });
    expectUnchanged();
  });

  it('changes the connector after the snapshot: the run writes no field and leaves the connector', async () => {
    onDocument('snapshot', () => (connector().spec['dockerRegistryUrl'] = 'https://else.example'));
    const report = await factory.sync(whole);
    expect(report.error).toMatchObject({ name: 'SwitchBlocked' });
    expect(report.connector).toMatchObject({ after: 'https://else.example', status: 'unchanged' });
    expect(written()).toEqual([]);
    expect(addressNow()).toBe('https://else.example');
  });

  it('changes the connector after the switch: verify finds it, and the rollback leaves it', async () => {
    onDocument('config', () => (connector().spec['dockerRegistryUrl'] = `${ours()}/else`));
    const report = await factory.sync(whole);
    expect(report.error).toMatchObject({
      name: 'VerificationFailed',
      message: expect.stringContaining(`connector account.harnessImage is ${ours()}/else, not ${ours()}`),
    });
    expect(report.connector).toMatchObject({ after: `${ours()}/else`, status: 'unchanged' });
    expect(allOverrides()).toEqual(nothing);
    expect(addressNow()).toBe(`${ours()}/else`);
  });
});

describe('the rollback of a run that changed the connector', () => {
  const broken = () => factory.target.storage.deleteTag('mirror/plugins/cache', '1.10.12');

  it('puts back the fields first, then the connector', async () => {
    const before = structuredClone(connector());
    onDocument('config', broken);
    const report = await factory.sync(whole);
    expect(report.error?.name).toBe('VerificationFailed');
    expect(report.connector).toEqual({
      reference: 'account.harnessImage',
      before: gar,
      after: gar,
      status: 'rolled-back',
    });
    expect(connector()).toEqual(before);
    expect(allOverrides()).toEqual(nothing);
    expect(written().at(-1)).toBe('PUT connectors');
    expect(new Set(Object.values(statuses(report)))).toEqual(new Set(['rolled-back']));
  });

  it('leaves the connector while a field is not put back, and names both', async () => {
    onDocument('config', () => {
      broken();
      factory.harness.quirks.failNext = [{ count: 99, status: 500, path: 'reset-config' }];
    });
    const report = await factory.sync(whole);
    expect(report.error).toMatchObject({
      name: 'RollbackFailed',
      message: expect.stringContaining(`connector account.harnessImage may not be ${gar}: the run wrote ${ours()}`),
    });
    expect(report.connector?.status).toBe('changed');
    expect(addressNow()).toBe(ours());
  });

  it('names the connector when Harness does not take it back', async () => {
    onDocument('config', () => {
      broken();
      factory.harness.quirks.failNext = [{ count: 99, status: 500, path: '/connectors' }];
    });
    const { error } = await factory.sync(whole);
    expect(error).toMatchObject({
      name: 'RollbackFailed',
      message: expect.stringContaining('connector account.harnessImage'),
    });
    expect(allOverrides()).toEqual(nothing);
  });

  it('puts nothing back when Harness refused to change the connector', async () => {
    onDocument('snapshot', () => lose('core_connector_edit'));
    const report = await factory.sync(whole);
    expect(report.error?.name).toBe('HarnessForbidden');
    expect(report.connector).toMatchObject({ after: gar, status: 'unchanged' });
    expect(written()).toEqual(['PUT connectors']);
    expect([addressNow(), ...allOverrides()]).toEqual([gar, ...nothing]);
  });

  it('puts the connector back when its write could not be recorded', async () => {
    const put = factory.store.put.bind(factory.store);
    let failed = false;
    factory.store.put = async (key, body) => {
      if (!failed && key.endsWith('/connector.json')) {
        failed = true;
        throw new FactoryError('StoreFailed', 'no space left', { hint: 'Free some.' });
      }
      return put(key, body);
    };
    const report = await factory.sync(whole);
    expect(report.error?.name).toBe('StoreFailed');
    expect(report.connector).toMatchObject({ after: gar, status: 'rolled-back' });
    expect([addressNow(), ...allOverrides()]).toEqual([gar, ...nothing]);
  });

  it('writes the old address when Harness did not answer the write, which it may still carry out', async () => {
    onDocument('snapshot', () => {
      factory.harness.quirks.failNext = [{ count: 99, status: 503, path: '/connectors', method: 'PUT' }];
      onDocument('connector', () => (factory.harness.quirks.failNext = []));
    });
    const report = await factory.sync(whole);
    expect(report.error?.name).toBe('HarnessUnreachable');
    expect(report.connector).toMatchObject({ after: gar, status: 'rolled-back' });
    const { body } = factory.harness.requests.findLast(({ method }) => method === 'PUT') ?? {};
    expect(body).toMatchObject({ connector: { spec: { dockerRegistryUrl: gar } } });
    expect([addressNow(), ...allOverrides()]).toEqual([gar, ...nothing]);
  });

  it('resumes after a crash between the write and the record of it', async () => {
    const { runId } = await stoppedAtRecord();
    expect(addressNow()).toBe(ours());
    factory.harness.requests.length = 0;
    await factory.task(updateConfig, { runId });
    expect(written()).not.toContain('PUT connectors');
    expect(await factory.document(`runs/${runId}/connector.json`)).toMatchObject({ status: 'changed' });
  });

  it('recovers a run that was stopped between the write and the record of it', async () => {
    const { runId } = await stoppedAtRecord();
    // Its function has ended long ago.
    const writes = `runs/${runId}/writes.json`;
    const { since: _, ...begun } = await factory.document<{ since: string }>(writes);
    await factory.store.put(writes, Buffer.from(JSON.stringify(begun)));
    const recovery = await factory.run('', { recover_run: runId }, { runId: 'recovery' });
    expect(recovery.status).toBe('SUCCEEDED');
    expect(recovery.connector).toMatchObject({ after: gar, status: 'rolled-back' });
    expect(await factory.document(`runs/${runId}/report.json`)).toMatchObject({
      error: { name: 'RunStopped' },
      connector: { after: gar, status: 'rolled-back' },
    });
    expect([addressNow(), ...allOverrides()]).toEqual([gar, ...nothing]);
  });

  it('names a connector that the rollback did not reach', async () => {
    const { runId } = await factory.sync(whole);
    const state = {
      error: { Error: 'VerificationFailed', Cause: 'x' },
      rollbackError: { Error: 'FunctionCrashed', Cause: 'killed' },
    };
    const { error } = await factory.task(report, { runId, state });
    expect(error).toMatchObject({
      name: 'RollbackFailed',
      message: expect.stringContaining(`connector account.harnessImage may not be ${gar}: the run wrote ${ours()}`),
    });
  });
});

/** Starts a run that is killed between the write of the connector and the record of it. */
async function stoppedAtRecord(): Promise<{ runId: string }> {
  const reached = Promise.withResolvers<void>();
  const end = Promise.withResolvers<never>();
  end.promise.catch(() => undefined);
  const put = factory.store.put.bind(factory.store);
  factory.store.put = (key, body) => {
    if (!key.endsWith('/connector.json')) return put(key, body);
    factory.store.put = put;
    reached.resolve();
    return end.promise;
  };
  const run = factory.sync(whole, { runId: 'stopped' });
  stopped.push({ run, release: () => end.reject(new Error('the test is over')) });
  await reached.promise;
  return { runId: 'stopped' };
}

describe('the restore of a run that changed the connector', () => {
  it('puts back the fields, then the connector', async () => {
    account().ci.K8 = { gitCloneTag: 'harness/drone-git:1.5.0' };
    const { runId } = await factory.sync(whole);
    const before = structuredClone(connector());
    factory.harness.requests.length = 0;
    const report = await factory.run('restore', { restore_run: runId });
    expect(report.error).toBeUndefined();
    expect(report.connector).toEqual({
      reference: 'account.harnessImage',
      before: ours(),
      after: gar,
      status: 'changed',
    });
    expect(written().at(-1)).toBe('PUT connectors');
    expect(connector()).toEqual({ ...before, spec: { ...before.spec, dockerRegistryUrl: gar } });
    expect(allOverrides()).toEqual([{ gitCloneTag: 'harness/drone-git:1.5.0' }, {}, {}]);
    expect((await factory.run('restore', { restore_run: runId })).connector).toBeUndefined();
  });

  it('puts back the provider', async () => {
    Object.assign(connector().spec, { dockerRegistryUrl: 'https://index.docker.io/v2/', providerType: 'DockerHub' });
    const before = structuredClone(connector());
    const { runId } = await factory.sync(whole);
    expect((await factory.run('restore', { restore_run: runId })).error).toBeUndefined();
    expect(connector()).toEqual(before);
  });

  it('rolls back the connector first, then the fields', async () => {
    const { runId } = await factory.sync(whole);
    factory.harness.requests.length = 0;
    onDocument('connector', () => {
      factory.harness.quirks.failNext = [{ count: 2, status: 503, path: 'get-customer-config' }];
    });
    const report = await factory.run('restore', { restore_run: runId });
    expect(report.error?.name).toBe('HarnessUnreachable');
    expect(report.connector).toMatchObject({ before: ours(), after: ours(), status: 'rolled-back' });
    expect([addressNow(), ...allOverrides()]).toEqual([ours(), ...all()]);
    const order = written();
    expect(order.lastIndexOf('PUT connectors')).toBeLessThan(order.indexOf('POST update-config'));
  });

  it('leaves the fields while the rollback cannot put back the connector', async () => {
    const { runId } = await factory.sync(whole);
    onDocument('connector', () => {
      factory.harness.quirks.failNext = [
        { count: 2, status: 503, path: 'get-customer-config' },
        { count: 99, status: 503, path: '/connectors' },
      ];
    });
    const { error } = await factory.run('restore', { restore_run: runId });
    expect(error).toMatchObject({
      name: 'RollbackFailed',
      message: expect.stringContaining('ci K8 addonTag may not be'),
    });
    expect([addressNow(), ...allOverrides()]).toEqual([gar, ...nothing]);
  });

  it('does not break overrides that a later run wrote', async () => {
    await factory.sync({ ...scopes, modify_default: false });
    const { runId } = await factory.sync({ manage_connector: true });
    expect(addressNow()).toBe(ours());
    await factory.sync({ modules: ['iacm'] });
    const report = await factory.run('restore', { restore_run: runId });
    expect(report).toMatchObject({
      error: {
        name: 'SwitchBlocked',
        message: expect.stringContaining('pods would miss the images of iacm K8 iacmTerraform'),
      },
      blocked: { steps: ['Reset these fields, or restore the runs that set them.', 'Run restore again.'] },
    });
    expect(addressNow()).toBe(ours());
    await factory.run('reset', { modules: ['iacm'] });
    expect((await factory.run('restore', { restore_run: runId })).error).toBeUndefined();
    expect(addressNow()).toBe(gar);
  });

  it('does not send credentials to the old host', async () => {
    const { runId } = await factory.sync(whole);
    connector().spec['auth'] = { type: 'UsernamePassword' };
    const { blocked } = await factory.run('restore', { restore_run: runId });
    expect(blocked?.reason).toContain(`has credentials for ${factory.target.host} (UsernamePassword)`);
    expect(addressNow()).toBe(ours());
    expect(allOverrides()).toEqual(all());
  });

  it.each([
    ['no longer exists', () => (account().connectors = [])],
    ['is of type Nexus now', () => Object.assign(connector(), { type: 'Nexus', spec: {} })],
  ])('restores the fields when the connector %s', async (why, act) => {
    const { runId } = await factory.sync(whole);
    act();
    const report = await factory.run('restore', { restore_run: runId });
    expect(report.error).toBeUndefined();
    expect(report.warnings).toContainEqual(`connector account.harnessImage ${why}, and is not restored`);
    expect(allOverrides()).toEqual(nothing);
  });

  it('ends before anything is written when the key may not change the connector', async () => {
    const { runId } = await factory.sync(whole);
    lose('core_connector_edit');
    const { error } = await factory.run('restore', { restore_run: runId });
    expect(error).toMatchObject({ name: 'HarnessForbidden', message: expect.stringContaining('core_connector_edit') });
    expect(allOverrides()).toEqual(all());
  });
});

describe('a reset after a run that changed the connector', () => {
  it('leaves the connector, and says how to put it back', async () => {
    const { runId } = await factory.sync(whole);
    const { warnings } = await factory.run('reset', scopes);
    expect(warnings).toEqual([
      `reset leaves connector account.harnessImage at ${ours()}, which run ${runId} set. To give it ${gar} again, run "factory restore --run ${runId}"`,
    ]);
    expect(addressNow()).toBe(ours());
    await factory.run('restore', { restore_run: runId });
    expect(addressNow()).toBe(gar);
    expect((await factory.run('reset', scopes)).warnings).toBeUndefined();
  });

  it('says nothing of a change that was rolled back', async () => {
    onDocument('config', () => factory.target.storage.deleteTag('mirror/plugins/cache', '1.10.12'));
    await factory.sync(whole);
    expect((await factory.run('reset', scopes)).warnings).toBeUndefined();
  });
});
