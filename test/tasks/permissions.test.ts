import { afterEach, describe, expect, it } from '@jest/globals';
import type { Permission } from '../../infra/local/embedded/harness-api/authentication.ts';
import { checksOfRuntime, namesOf } from '../doctor/check-names.ts';
import { type Factory, k8Images, startFactory, statuses } from './factory.ts';

describe('permissions', () => {
  let factory: Factory;
  afterEach(() => factory.close());

  /** Starts Harness with a key that has these permissions and no others. */
  async function startWith(...permissions: Permission[]): Promise<void> {
    const keys = [{ key: 'sat.embedded.key.secret-of-key', accountId: 'embedded', permissions }];
    factory = await startFactory({ harness: { keys } });
  }

  const asked = () => factory.harness.requests.filter(({ path }) => path.endsWith('/authz/api/acl'));

  it('plans and verifies with a key that may only view the account', async () => {
    await startWith('core_account_view');
    expect((await factory.run('plan')).status).toBe('SUCCEEDED');
    const verified = await factory.run('verify');
    expect(verified.error?.name).toBe('DriftFound');
    expect(asked()).toEqual([]);
  });

  it.each([
    ['sync', {}],
    ['reset', { reset_scope: 'all' }],
  ])(
    'a key that may not switch ends %s before anything is copied or written, and the error names the permission',
    async (action, input) => {
      await startWith('core_account_view', 'core_connector_view');
      const account = factory.harness.state['embedded'];
      if (account) account.ci.K8 = { gitCloneTag: 'acme/git:1' };
      const report = await factory.run(action, input);
      expect(report.error).toEqual({
        name: 'HarnessForbidden',
        message: 'the key may not change the configuration of account embedded: it lacks core_account_edit',
        hint: expect.stringContaining('a role with core_account_edit (Account Admin has it'),
      });
      expect(factory.target.storage.repositories()).toEqual([]);
      expect(factory.writes()).toEqual([]);
    },
  );

  it('copying alone needs no permission to switch', async () => {
    await startWith('core_account_view');
    const report = await factory.sync({ modify_default: false });
    expect(report.status).toBe('SUCCEEDED');
    expect(asked()).toEqual([]);
  });

  it('a run that has nothing to switch does not ask', async () => {
    await startWith('core_account_view', 'core_account_edit', 'core_connector_view');
    await factory.sync();
    expect(asked()).toHaveLength(1);
    await factory.sync();
    expect(asked()).toHaveLength(1);
  });

  it.each([
    ['does not know the question', { count: 9, status: 404, body: { code: 404, message: 'HTTP 404 Not Found' } }],
    ['fails at it', { count: 9, status: 500 }],
    ['answers something else', { count: 9, status: 200, body: { status: 'SUCCESS', data: {} } }],
  ])('a Harness that %s is switched all the same, with a warning', async (_, answer) => {
    await startWith('core_account_view', 'core_account_edit', 'core_connector_view');
    factory.harness.quirks.failNext = [{ ...answer, path: '/authz/api/acl' }];
    const report = await factory.sync();
    expect(report.status).toBe('SUCCEEDED');
    expect(report.warnings).toContainEqual(
      expect.stringContaining('whether the key has core_account_edit could not be checked before the switch: '),
    );
  });

  it('a key that could not be checked before the switch is refused at the switch, and nothing changes', async () => {
    await startWith('core_account_view', 'core_connector_view');
    factory.harness.quirks.failNext = [{ count: 9, status: 404, path: '/authz/api/acl' }];
    const report = await factory.sync();
    expect(report.error).toMatchObject({
      name: 'HarnessForbidden',
      hint: expect.stringContaining('core_account_edit'),
    });
    expect(report.totals.copied).toBe(k8Images.length);
    expect(factory.overrides()).toEqual({});
    expect(new Set(Object.values(statuses(report)))).toEqual(new Set(['unchanged']));
  });
});

describe('doctor', () => {
  let factory: Factory;
  afterEach(() => factory.close());

  it('checks as an action of the workflow: it plans and reports, without a lock or a write', async () => {
    factory = await startFactory();
    const report = await factory.run('doctor');
    expect(report).toMatchObject({ status: 'SUCCEEDED', action: 'doctor', images: [], config: [] });
    expect(new Set(namesOf(report))).toEqual(new Set(checksOfRuntime));
    expect(report.checks?.filter(({ status }) => status !== 'ok')).toEqual([]);
    expect(factory.writes()).toEqual([]);
    expect(factory.target.storage.repositories()).toEqual([]);
    expect(await factory.store.list('locks/')).toEqual([]);
  });

  it('fails as an action with the names of the failed checks, and has the cures in the report', async () => {
    factory = await startFactory({ environment: { SOURCE_REGISTRY: '127.0.0.1:1' } });
    const report = await factory.run('doctor');
    expect(report.error).toMatchObject({ name: 'ChecksFailed', message: '1 of 11 checks failed: source 127.0.0.1:1' });
    const [source] = report.checks?.filter(({ status }) => status === 'failed') ?? [];
    expect(source).toMatchObject({ name: 'source 127.0.0.1:1', cure: expect.stringMatching(/\S/) });
    expect(await factory.document(`runs/${report.runId}/report.json`)).toMatchObject({ checks: report.checks });
  });

  it('checks with a key that Harness refuses, and reports which checks could not be made', async () => {
    factory = await startFactory({ environment: { HARNESS_API_KEY: 'sat.embedded.key.wrong-secret' } });
    const report = await factory.run('doctor');
    const status = (name: string) => report.checks?.find((check) => check.name === name)?.status;
    expect(['Harness', 'key', 'account', 'connector'].map(status)).toEqual(['ok', 'failed', 'skipped', 'skipped']);
    expect(JSON.stringify(report)).not.toContain('wrong-secret');
  });

  it('checks while another run holds the lock, and names that run', async () => {
    factory = await startFactory();
    const now = new Date().toISOString();
    const expiresAt = new Date(Date.now() + 600_000).toISOString();
    const lock = { runId: 'other', action: 'sync', since: now, renewedAt: now, expiresAt };
    await factory.store.put('locks/embedded.json', Buffer.from(JSON.stringify(lock)));
    const report = await factory.run('doctor');
    expect(report.status).toBe('SUCCEEDED');
    expect(report.checks?.at(-1)).toMatchObject({ name: 'state', status: 'warning' });
  });
});
