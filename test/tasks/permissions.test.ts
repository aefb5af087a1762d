import { afterEach, expect, it } from '@jest/globals';
import type { Permission } from '../../infra/local/embedded/harness-api/authentication.ts';
import { type Factory, k8Images, startFactory, statuses } from './factory.ts';

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
  expect(report.error).toMatchObject({ name: 'HarnessForbidden', hint: expect.stringContaining('core_account_edit') });
  expect(report.totals.copied).toBe(k8Images.length);
  expect(factory.overrides()).toEqual({});
  expect(new Set(Object.values(statuses(report)))).toEqual(new Set(['unchanged']));
});
