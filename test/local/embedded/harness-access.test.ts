import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { account, admin, call, config, harness, viewer, useHarness } from './harness-under-test.ts';

useHarness();

describe('authentication', () => {
  const path = config('get-customer-config', 'infra=K8');
  const get = (headers: Record<string, string>, at = path) => call('GET', at, { headers });

  it('reads the header in any case', async () => {
    const { hostname, port } = new URL(harness.url);
    const socket = connect(Number(port), hostname);
    socket.write(`GET /gateway${path} HTTP/1.1\r\nHost: x\r\nX-API-KEY: ${admin}\r\nConnection: close\r\n\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 /);
  });

  it.each([
    ['no key', ''],
    ['an unknown key', 'sat.acct1.x.y'],
    ['the key of another account', 'pat.acct2.id.cccccccccccc'],
  ])('answers 401 for %s', async (_, key) => {
    expect(await get({ 'x-api-key': key })).toMatchObject({
      status: 401,
      body: { status: 'ERROR', code: 'INVALID_TOKEN' },
    });
  });

  it('does not take a key as bearer token', async () => {
    expect((await get({ 'x-api-key': '', authorization: `Bearer ${admin}` })).status).toBe(401);
  });

  it('wants to know the account', async () => {
    expect(await get({}, '/ci/execution-config/get-customer-config?infra=K8')).toMatchObject({
      status: 400,
      body: { code: 'INVALID_REQUEST', message: 'Account detail is not present in the request' },
    });
  });

  it('takes the account from the header for the key, but wants the parameter besides', async () => {
    const headers = { 'harness-account': 'acct1' };
    expect((await get(headers, '/ci/execution-config/get-default-config?infra=K8')).status).toBe(200);
    expect(await get(headers, '/ci/execution-config/get-customer-config?infra=K8')).toMatchObject({
      status: 400,
      body: { errors: [{ fieldId: 'accountIdentifier' }] },
    });
  });

  it('lets a viewer read, and answers 403 with the missing permission for the rest', async () => {
    const headers = { 'x-api-key': viewer };
    expect((await get(headers)).status).toBe(200);
    const write = { headers, body: [{ field: 'addonTag', value: 'x' }] };
    for (const [reply, permission] of [
      [await call('POST', config('update-config', 'infra=K8'), write), 'core_account_edit'],
      [await call('POST', config('reset-config', 'infra=K8'), write), 'core_account_edit'],
      [await call('DELETE', '/ci/execution-config?accountIdentifier=acct1', { headers }), 'core_account_edit'],
      [await get(headers, '/ng/api/connectors/harnessImage?accountIdentifier=acct1'), 'core_connector_view'],
    ] as const) {
      expect(reply).toMatchObject({
        status: 403,
        body: { status: 'ERROR', code: 'NG_ACCESS_DENIED', failedPermissionChecks: [{ permission }] },
      });
    }
    expect(account().ci.K8).toEqual({});
  });
});

describe('access checks', () => {
  const check = (permission: string, accountIdentifier = 'acct1') => ({
    resourceScope: { accountIdentifier },
    resourceType: 'ACCOUNT',
    permission,
  });
  const ask = (body: unknown, key = admin) =>
    call('POST', '/authz/api/acl?accountIdentifier=acct1', { body, headers: { 'x-api-key': key } });

  it.each([
    [admin, true],
    [viewer, false],
  ])('answer each question of %s in order, and need no permission themselves', async (key, permitted) => {
    const permissions = [check('core_account_view'), check('core_account_edit')];
    const { status, body } = await ask({ permissions }, key);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      status: 'SUCCESS',
      data: {
        principal: { principalType: 'SERVICE_ACCOUNT' },
        accessControlList: [
          {
            permission: 'core_account_view',
            resourceScope: { accountIdentifier: 'acct1', orgIdentifier: null, projectIdentifier: null },
            resourceType: 'ACCOUNT',
            resourceIdentifier: null,
            permitted: true,
          },
          { permission: 'core_account_edit', permitted },
        ],
      },
    });
  });

  it.each([
    ['another account', { permissions: [check('core_account_view', 'acct2')] }, 400],
    ['no list', {}, 400],
    ['a list that is none', { permissions: 'all' }, 400],
    ['a check without a permission', { permissions: [{ resourceType: 'ACCOUNT' }] }, 400],
    ['a check without a type', { permissions: [{ permission: 'core_account_view' }] }, 400],
    ['what is not JSON', '{', 400],
  ])('refuse %s', async (_, body, status) => {
    expect((await ask(body)).status).toBe(status);
  });

  it('serves access checks to known keys only', async () => {
    expect((await ask({ permissions: [] }, 'wrong')).status).toBe(401);
  });
});
