import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { officialDefaults } from '../../../infra/local/embedded/harness-api/profiles.ts';
import { defaultQuirks } from '../../../infra/local/embedded/harness-api/quirks.ts';
import { type EmbeddedHarnessApi, startHarnessApi } from '../../../infra/local/embedded/harness-api/server.ts';
import { emptyAccount } from '../../../infra/local/embedded/harness-api/state.ts';
import { callHarness, type Sending } from './harness-call.ts';

const viewer = 'sat.embedded.viewer.bbbbbbbbbbbb';

let harness: EmbeddedHarnessApi;
let admin: string;
beforeAll(async () => {
  await using other = await startHarnessApi();
  admin = other.apiKey;
  harness = await startHarnessApi({
    keys: [
      { key: admin, accountId: 'embedded', permissions: ['core_account_view', 'core_account_edit'] },
      { key: viewer, accountId: 'embedded', permissions: ['core_account_view'] },
    ],
  });
});
beforeEach(() => {
  harness.state['embedded'] = emptyAccount();
  Object.assign(harness.quirks, defaultQuirks());
});
afterAll(() => harness.close());

const root = '/v1/dbops/execution-config';
const call = (method: string, path: string, { headers, ...sending }: Sending = {}, key = admin) =>
  callHarness(harness.url + path, key, method, { ...sending, headers: { 'harness-account': 'embedded', ...headers } });
const write = (operation: string, body: unknown, key?: string) => call('POST', `${root}/${operation}`, { body }, key);
const overrides = async () => (await call('GET', `${root}/get-customer-config`)).body;

describe('reading', () => {
  it.each([root, `/gateway${root}`])('returns the default images without an envelope at %s', async (base) => {
    const { status, body } = await call('GET', `${base}/get-default-config`);
    expect(status).toBe(200);
    expect(body).toEqual(officialDefaults().dbops);
    expect(body).toHaveProperty('mongoTag', 'plugins/drone-liquibase:1.18.0-4.33-mongo');
  });

  it('serves dbops at one of the two paths, where a version lacks the other', async () => {
    harness.quirks.absentPaths = ['/gateway/v1/'];
    expect((await call('GET', `/gateway${root}/get-default-config`)).status).toBe(404);
    expect((await call('GET', `${root}/get-default-config`)).status).toBe(200);
    harness.quirks.absentPaths = ['/v1/'];
    expect((await call('GET', `/gateway${root}/get-default-config`)).status).toBe(200);
    expect((await call('GET', `${root}/get-default-config`)).status).toBe(404);
  });

  it('returns the overrides alone unless asked otherwise', async () => {
    await write('update-config', [{ field: 'mongoTag', value: 'r/m:1' }]);
    expect(await overrides()).toEqual({ mongoTag: 'r/m:1' });
    expect((await call('GET', `${root}/get-customer-config?overridesOnly=false`)).body).toEqual({
      ...officialDefaults().dbops,
      mongoTag: 'r/m:1',
    });
  });

  it('takes the account from the header alone', async () => {
    const url = `${harness.url}${root}/get-default-config?accountIdentifier=embedded`;
    expect(await callHarness(url, admin, 'GET')).toMatchObject({
      status: 400,
      body: { message: 'Harness-Account is required' },
    });
  });
});

describe('writing', () => {
  it('stores overrides, resets some, and removes the rest', async () => {
    const operations = ['defaultTag', 'mongoTag', 'gitCloneTag'].map((field) => ({ field, value: 'r/x:1' }));
    expect(await write('update-config', operations)).toMatchObject({ status: 200, text: '' });
    expect(await write('reset-config', [{ field: 'mongoTag' }, { field: 'spannerTag' }])).toMatchObject({
      status: 200,
    });
    expect(await overrides()).toEqual({ defaultTag: 'r/x:1', gitCloneTag: 'r/x:1' });
    expect((await call('DELETE', root)).status).toBe(200);
    expect(await overrides()).toEqual({});
  });

  it('stores nothing of a batch with an unknown field', async () => {
    const operations = ['defaultTag', 'addonTag'].map((field) => ({ field, value: 'r/x:1' }));
    expect(await write('update-config', operations)).toMatchObject({
      status: 400,
      body: { message: 'Field addonTag does not exist' },
    });
    expect((await write('reset-config', [{ field: 'addonTag' }])).status).toBe(400);
    expect(await overrides()).toEqual({});
  });

  it('leaves the overrides of CI alone', async () => {
    await write('update-config', [{ field: 'gitCloneTag', value: 'r/x:1' }]);
    expect(harness.state['embedded']?.ci.K8).toEqual({});
  });

  it('needs the permission to edit the account', async () => {
    expect((await write('update-config', [{ field: 'mongoTag', value: 'x' }], viewer)).status).toBe(403);
    expect((await write('reset-config', [{ field: 'mongoTag' }], viewer)).status).toBe(403);
    expect((await call('DELETE', root, {}, viewer)).status).toBe(403);
    expect((await call('GET', `${root}/get-customer-config`, {}, viewer)).status).toBe(200);
  });
});

describe('paths', () => {
  it.each([
    ['POST', `${root}/get-default-config`, 405],
    ['GET', root, 405],
    ['GET', `${root}/get-deprecated-config`, 404],
    ['GET', `${root}-x`, 404],
  ])('answers %s %s with %d', async (method, path, status) => {
    expect((await call(method, path, method === 'POST' ? { body: [] } : {})).status).toBe(status);
  });
});
