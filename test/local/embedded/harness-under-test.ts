import { afterAll, beforeAll, beforeEach } from '@jest/globals';
import { defaultQuirks } from '../../../infra/local/embedded/harness-api/quirks.ts';
import { type EmbeddedHarnessApi, startHarnessApi } from '../../../infra/local/embedded/harness-api/server.ts';
import { type AccountState, emptyAccount } from '../../../infra/local/embedded/harness-api/state.ts';
import { callHarness, type Sending } from './harness-call.ts';

export const admin = 'sat.acct1.admin.aaaaaaaaaaaa';
export const viewer = 'sat.acct1.viewer.bbbbbbbbbbbb';

/** The embedded Harness API of `useHarness`. */
export let harness: EmbeddedHarnessApi;

/** Starts an embedded Harness API for the suite, with an empty account in each test. */
export function useHarness(): void {
  beforeAll(async () => {
    harness = await startHarnessApi({
      keys: [
        {
          key: admin,
          accountId: 'acct1',
          permissions: ['core_account_view', 'core_account_edit', 'core_connector_view'],
        },
        { key: viewer, accountId: 'acct1', permissions: ['core_account_view'] },
        { key: 'pat.acct2.id.cccccccccccc', accountId: 'acct2', permissions: ['core_account_view'] },
      ],
    });
  });

  beforeEach(() => {
    harness.state['acct1'] = emptyAccount();
    harness.requests.length = 0;
    Object.assign(harness.quirks, defaultQuirks());
  });

  afterAll(() => harness.close());
}

export const call = (method: string, path: string, sending?: Sending) =>
  callHarness(`${harness.url}/gateway${path}`, admin, method, sending);

export const config = (operation: string, query: string, mount = 'ci') =>
  `/${mount}/execution-config/${operation}?accountIdentifier=acct1&${query}`;
export const update = (body: unknown, query = 'infra=K8', mount = 'ci') =>
  call('POST', config('update-config', query, mount), { body });
export const reset = (body: unknown, query = 'infra=K8', mount = 'ci') =>
  call('POST', config('reset-config', query, mount), { body });
export const overrides = async (query = 'infra=K8', mount = 'ci') => {
  const { body } = await call('GET', config('get-customer-config', query, mount));
  return (body as { data: unknown }).data;
};

export function account(): AccountState {
  const state = harness.state['acct1'];
  if (!state) throw new Error('the account is gone');
  return state;
}
