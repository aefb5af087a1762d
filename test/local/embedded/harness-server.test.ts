import { describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { startHarnessApi } from '../../../infra/local/embedded/harness-api/server.ts';
import { account, admin, call, config, harness, update, useHarness } from './harness-under-test.ts';

useHarness();

describe('paths', () => {
  it.each([
    ['GET', '/ci/execution-config/nothing', 404],
    ['GET', '/gateway/ci/execution-config/get-default-config', 404],
    ['GET', '/iacm/execution-config/get-default-config', 404],
    ['GET', '/iacm-manager/execution-config', 404],
    ['GET', '/constructor/execution-config/get-default-config', 404],
    ['GET', '/ci/execution-config/update-config', 405],
    ['POST', '/ci/execution-config/get-default-config', 405],
  ])('answers %s %s with %d', async (method, path, status) => {
    const reply = await call(method, `${path}?accountIdentifier=acct1&infra=K8`);
    expect(reply).toMatchObject({ status, body: { code: status } });
  });

  it('knows nothing outside the gateway', async () => {
    const response = await fetch(
      `${harness.url}/ci/execution-config/get-default-config?accountIdentifier=acct1&infra=K8`,
    );
    expect(response.status).toBe(404);
    await response.body?.cancel();
  });
});

describe('faults', () => {
  const path = config('get-customer-config', 'infra=K8');

  it('acknowledges a number of writes without storing them', async () => {
    harness.quirks.loseWrites = 1;
    const operations = [{ field: 'addonTag', value: 'x' }];
    expect(await update(operations)).toMatchObject({ status: 200, body: { data: true } });
    expect(account().ci.K8).toEqual({});
    await update(operations);
    expect(account().ci.K8).toEqual({ addonTag: 'x' });
  });

  it('answers a number of readings from an old copy', async () => {
    harness.quirks.oldCopy = { readings: 1, overrides: { addonTag: 'old' } };
    expect((await call('GET', path)).body).toMatchObject({ data: { addonTag: 'old' } });
    expect((await call('GET', path)).body).toMatchObject({ data: {} });
  });

  it('throttles the next requests without saying for how long', async () => {
    harness.quirks.throttle = 2;
    const replies = [await call('GET', path), await call('GET', path), await call('GET', path)];
    expect(replies.map(({ status }) => status)).toEqual([429, 429, 200]);
    expect(replies[0]?.headers.has('retry-after')).toBe(false);
  });

  it('throttles with a Retry-After, where one is set', async () => {
    harness.quirks.throttle = 1;
    harness.quirks.throttleRetryAfter = '7';
    const reply = await call('GET', path);
    expect(reply.status).toBe(429);
    expect(reply.headers.get('retry-after')).toBe('7');
  });

  it('returns a fixed response a number of times, for the given paths', async () => {
    harness.quirks.failNext.push({
      count: 1,
      status: 502,
      body: '<html>',
      headers: { 'x-from': 'proxy' },
      path: 'update-config',
    });
    expect((await call('GET', path)).status).toBe(200);
    const reply = await update([{ field: 'addonTag', value: 'x' }]);
    expect(reply).toMatchObject({ status: 502, text: '<html>' });
    expect(reply.headers.get('x-from')).toBe('proxy');
    expect(account().ci.K8).toEqual({});
    expect((await update([{ field: 'addonTag', value: 'x' }])).status).toBe(200);
  });

  it('hangs, and lets go when it is closed', async () => {
    const other = await startHarnessApi({ quirks: { hang: 1 } });
    const pending = fetch(`${other.url}/gateway/ci/execution-config`).catch((error: unknown) => error);
    for (let i = 0; i < 1_000 && other.requests.length === 0; i++) await sleep(1);
    await other.close();
    await other.close();
    expect(await pending).toMatchObject({ message: 'fetch failed' });
  });
});

describe('a server', () => {
  it('logs every request, the refused ones too, without its key', async () => {
    await call('GET', config('get-customer-config', 'infra=k8'));
    await call('POST', config('update-config', 'infra=VM'), { body: [], headers: { 'x-api-key': 'wrong' } });
    expect(harness.requests).toEqual([
      {
        method: 'GET',
        path: '/gateway/ci/execution-config/get-customer-config',
        query: { accountIdentifier: 'acct1', infra: 'k8' },
        body: undefined,
      },
      {
        method: 'POST',
        path: '/gateway/ci/execution-config/update-config',
        query: { accountIdentifier: 'acct1', infra: 'VM' },
        body: [],
      },
    ]);
    expect(JSON.stringify(harness.requests)).not.toContain(admin);
  });

  it('starts with the accounts and defaults it is given, on its own', async () => {
    const seed = { ci: { K8: { addonTag: 'r/a:1' }, VM: {} } };
    await using other = await startHarnessApi({
      keys: [{ key: admin, accountId: 'acct1', permissions: ['core_account_view'] }],
      accounts: { acct1: seed },
      defaults: { ci: { K8: { addonTag: 'harness/ci-addon:9.9.1' } } },
    });
    other.setDefault('ci', 'K8', 'newTag', 'harness/new:1');
    const get = async (operation: string) => {
      const url = `${other.url}/gateway${config(operation, 'infra=K8')}`;
      return ((await (await fetch(url, { headers: { 'x-api-key': admin } })).json()) as { data: unknown }).data;
    };
    expect(await get('get-customer-config')).toEqual({ addonTag: 'r/a:1' });
    expect(await get('get-default-config')).toEqual({ addonTag: 'harness/ci-addon:9.9.1', newTag: 'harness/new:1' });
    expect(harness.state['acct1']?.ci.K8).toEqual({});
  });
});
