import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FactoryError } from '../../functions/errors.ts';
import { report } from '../../functions/report/report.ts';
import { updateConfig } from '../../functions/update-config/update-config.ts';
import { type Factory, statuses } from './factory.ts';
import { gar, ManagedAccount, nothing, scopes, whole } from './managed-account.ts';

let account: ManagedAccount;
let factory: Factory;
beforeEach(async () => {
  account = await ManagedAccount.start();
  ({ factory } = account);
});
/** Runs that were killed. */
let stopped: { run: Promise<unknown>; release: () => void }[] = [];
afterEach(async () => {
  for (const { release } of stopped) release();
  await Promise.all(stopped.map(({ run }) => run));
  stopped = [];
  await factory.close();
});

describe('the rollback of a run that changed the connector', () => {
  const broken = () => factory.target.storage.deleteTag('mirror/plugins/cache', '1.10.12');

  it('puts back the fields first, then the connector', async () => {
    const before = structuredClone(account.connector);
    account.onDocument('config', broken);
    const report = await factory.sync(whole);
    expect(report.error?.name).toBe('VerificationFailed');
    expect(report.connector).toEqual({
      reference: 'account.harnessImage',
      before: gar,
      after: gar,
      status: 'rolled-back',
    });
    expect(account.connector).toEqual(before);
    expect(account.overrides).toEqual(nothing);
    expect(account.written.at(-1)).toBe('PUT connectors');
    expect(new Set(Object.values(statuses(report)))).toEqual(new Set(['rolled-back']));
  });

  it('leaves the connector while a field is not put back, and names both', async () => {
    account.onDocument('config', () => {
      broken();
      factory.harness.quirks.failNext = [{ count: 99, status: 500, path: 'reset-config' }];
    });
    const report = await factory.sync(whole);
    expect(report.error).toMatchObject({
      name: 'RollbackFailed',
      message: expect.stringContaining(
        `connector account.harnessImage may not be ${gar}: the run wrote ${account.ours}`,
      ),
    });
    expect(report.connector?.status).toBe('changed');
    expect(account.address).toBe(account.ours);
  });

  it('names the connector when Harness does not take it back', async () => {
    account.onDocument('config', () => {
      broken();
      factory.harness.quirks.failNext = [{ count: 99, status: 500, path: '/connectors' }];
    });
    const { error } = await factory.sync(whole);
    expect(error).toMatchObject({
      name: 'RollbackFailed',
      message: expect.stringContaining('connector account.harnessImage'),
    });
    expect(account.overrides).toEqual(nothing);
  });

  it('puts nothing back when Harness refused to change the connector', async () => {
    account.onDocument('snapshot', () => account.lose('core_connector_edit'));
    const report = await factory.sync(whole);
    expect(report.error?.name).toBe('HarnessForbidden');
    expect(report.connector).toMatchObject({ after: gar, status: 'unchanged' });
    expect(account.written).toEqual(['PUT connectors']);
    expect([account.address, ...account.overrides]).toEqual([gar, ...nothing]);
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
    expect([account.address, ...account.overrides]).toEqual([gar, ...nothing]);
  });

  it('writes the old address when Harness did not answer the write, which it may still carry out', async () => {
    account.onDocument('snapshot', () => {
      factory.harness.quirks.failNext = [{ count: 99, status: 503, path: '/connectors', method: 'PUT' }];
      account.onDocument('connector', () => (factory.harness.quirks.failNext = []));
    });
    const report = await factory.sync(whole);
    expect(report.error?.name).toBe('HarnessUnreachable');
    expect(report.connector).toMatchObject({ after: gar, status: 'rolled-back' });
    const { body } = factory.harness.requests.findLast(({ method }) => method === 'PUT') ?? {};
    expect(body).toMatchObject({ connector: { spec: { dockerRegistryUrl: gar } } });
    expect([account.address, ...account.overrides]).toEqual([gar, ...nothing]);
  });

  it('resumes after a crash between the write and the record of it', async () => {
    const { runId } = await stoppedAtRecord();
    expect(account.address).toBe(account.ours);
    factory.harness.requests.length = 0;
    await factory.task(updateConfig, { runId });
    expect(account.written).not.toContain('PUT connectors');
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
    expect([account.address, ...account.overrides]).toEqual([gar, ...nothing]);
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
      message: expect.stringContaining(
        `connector account.harnessImage may not be ${gar}: the run wrote ${account.ours}`,
      ),
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
    account.state.ci.K8 = { gitCloneTag: 'harness/drone-git:1.5.0' };
    const { runId } = await factory.sync(whole);
    const before = structuredClone(account.connector);
    factory.harness.requests.length = 0;
    const report = await factory.run('restore', { restore_run: runId });
    expect(report.error).toBeUndefined();
    expect(report.connector).toEqual({
      reference: 'account.harnessImage',
      before: account.ours,
      after: gar,
      status: 'changed',
    });
    expect(account.written.at(-1)).toBe('PUT connectors');
    expect(account.connector).toEqual({ ...before, spec: { ...before.spec, dockerRegistryUrl: gar } });
    expect(account.overrides).toEqual([{ gitCloneTag: 'harness/drone-git:1.5.0' }, {}, {}]);
    expect((await factory.run('restore', { restore_run: runId })).connector).toBeUndefined();
  });

  it('puts back the provider', async () => {
    Object.assign(account.connector.spec, {
      dockerRegistryUrl: 'https://index.docker.io/v2/',
      providerType: 'DockerHub',
    });
    const before = structuredClone(account.connector);
    const { runId } = await factory.sync(whole);
    expect((await factory.run('restore', { restore_run: runId })).error).toBeUndefined();
    expect(account.connector).toEqual(before);
  });

  it('rolls back the connector first, then the fields', async () => {
    const { runId } = await factory.sync(whole);
    factory.harness.requests.length = 0;
    account.onDocument('connector', () => {
      factory.harness.quirks.failNext = [{ count: 2, status: 503, path: 'get-customer-config' }];
    });
    const report = await factory.run('restore', { restore_run: runId });
    expect(report.error?.name).toBe('HarnessUnreachable');
    expect(report.connector).toMatchObject({ before: account.ours, after: account.ours, status: 'rolled-back' });
    expect([account.address, ...account.overrides]).toEqual([account.ours, ...account.copies]);
    const order = account.written;
    expect(order.lastIndexOf('PUT connectors')).toBeLessThan(order.indexOf('POST update-config'));
  });

  it('leaves the fields while the rollback cannot put back the connector', async () => {
    const { runId } = await factory.sync(whole);
    account.onDocument('connector', () => {
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
    expect([account.address, ...account.overrides]).toEqual([gar, ...nothing]);
  });

  it('does not break overrides that a later run wrote', async () => {
    await factory.sync({ ...scopes, modify_default: false });
    const { runId } = await factory.sync({ manage_connector: true });
    expect(account.address).toBe(account.ours);
    await factory.sync({ modules: ['iacm'] });
    const report = await factory.run('restore', { restore_run: runId });
    expect(report).toMatchObject({
      error: {
        name: 'SwitchBlocked',
        message: expect.stringContaining('pods would miss the images of iacm K8 iacmTerraform'),
      },
      blocked: { steps: ['Reset these fields, or restore the runs that set them.', 'Run restore again.'] },
    });
    // Nothing is restored, so the overrides are still what pods pull.
    const addon = report.pulls?.find(({ fields }) => fields.includes('ci K8 addonTag'));
    expect(addon?.reference).toBe(factory.copyOf('harness/ci-addon:1.18.22'));
    expect(addon).not.toHaveProperty('official');
    expect(account.address).toBe(account.ours);
    await factory.run('reset', { modules: ['iacm'] });
    expect((await factory.run('restore', { restore_run: runId })).error).toBeUndefined();
    expect(account.address).toBe(gar);
  });

  it('leaves the connector too, when the fields cannot be restored because pods pull through another one', async () => {
    const root = `http://${factory.target.host}`;
    account.address = root;
    await factory.sync(scopes);
    const addon = 'harness/ci-addon:1.18.23';
    factory.publish([addon]);
    factory.harness.setDefault('ci', 'K8', 'addonTag', addon);
    const { runId } = await factory.sync(whole);
    expect(account.address).toBe(account.ours);
    const other = { ...structuredClone(account.connector), identifier: 'mirror' };
    other.spec['dockerRegistryUrl'] = gar;
    account.state.connectors.push(other);
    factory.harness.requests.length = 0;
    const { blocked, connector } = await factory.run(
      'restore',
      { restore_run: runId },
      { configuration: { connector: 'account.mirror' } },
    );
    expect(blocked?.reason).toContain(`through connector account.mirror (${gar}) Harness would pull`);
    expect(connector).toBeUndefined();
    expect(account.written).toEqual([]);
    expect(account.address).toBe(account.ours);
    expect((await factory.run('restore', { restore_run: runId })).error).toBeUndefined();
    expect(account.address).toBe(root);
    expect(factory.overrides().addonTag).toBe(factory.copyOf('harness/ci-addon:1.18.22'));
  });

  it('does not send credentials to the old host', async () => {
    const { runId } = await factory.sync(whole);
    account.connector.spec['auth'] = { type: 'UsernamePassword' };
    const { blocked } = await factory.run('restore', { restore_run: runId });
    expect(blocked?.reason).toContain(`has credentials for ${factory.target.host} (UsernamePassword)`);
    expect(account.address).toBe(account.ours);
    expect(account.overrides).toEqual(account.copies);
  });

  it.each([
    ['no longer exists', () => (account.state.connectors = [])],
    ['is of type Nexus now', () => Object.assign(account.connector, { type: 'Nexus', spec: {} })],
  ])('restores the fields when the connector %s', async (why, act) => {
    const { runId } = await factory.sync(whole);
    act();
    const report = await factory.run('restore', { restore_run: runId });
    expect(report.error).toBeUndefined();
    expect(report.warnings).toContainEqual(`connector account.harnessImage ${why}, and is not restored`);
    expect(account.overrides).toEqual(nothing);
  });

  it('ends before anything is written when the key may not change the connector', async () => {
    const { runId } = await factory.sync(whole);
    account.lose('core_connector_edit');
    const { error } = await factory.run('restore', { restore_run: runId });
    expect(error).toMatchObject({ name: 'HarnessForbidden', message: expect.stringContaining('core_connector_edit') });
    expect(account.overrides).toEqual(account.copies);
  });
});

describe('a reset after a run that changed the connector', () => {
  it('leaves the connector, and says how to put it back', async () => {
    const { runId } = await factory.sync(whole);
    const { warnings } = await factory.run('reset', scopes);
    expect(warnings).toEqual([
      `reset leaves connector account.harnessImage at ${account.ours}, which run ${runId} set. To give it ${gar} again, run "factory restore --run ${runId}"`,
    ]);
    expect(account.address).toBe(account.ours);
    await factory.run('restore', { restore_run: runId });
    expect(account.address).toBe(gar);
    expect((await factory.run('reset', scopes)).warnings).toBeUndefined();
  });

  it('says nothing of a change that was rolled back', async () => {
    account.onDocument('config', () => factory.target.storage.deleteTag('mirror/plugins/cache', '1.10.12'));
    await factory.sync(whole);
    expect((await factory.run('reset', scopes)).warnings).toBeUndefined();
  });
});
