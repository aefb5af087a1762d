import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { imagesOf } from '../../../infra/local/embedded/harness-api/defaults.ts';
import {
  officialDefaults,
  type ProfileName,
  profileNames,
} from '../../../infra/local/embedded/harness-api/profiles.ts';
import { defaultQuirks } from '../../../infra/local/embedded/harness-api/quirks.ts';
import { startHarnessApi, type EmbeddedHarnessApi } from '../../../infra/local/embedded/harness-api/server.ts';
import { emptyAccount, type AccountState } from '../../../infra/local/embedded/harness-api/state.ts';
import { callHarness, type Sending } from './harness-call.ts';

const admin = 'sat.acct1.admin.aaaaaaaaaaaa';
const viewer = 'sat.acct1.viewer.bbbbbbbbbbbb';
const uuid = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;

let harness: EmbeddedHarnessApi;

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

const call = (method: string, path: string, sending?: Sending) =>
  callHarness(`${harness.url}/gateway${path}`, admin, method, sending);

const config = (operation: string, query: string, mount = 'ci') =>
  `/${mount}/execution-config/${operation}?accountIdentifier=acct1&${query}`;
const update = (body: unknown, query = 'infra=K8', mount = 'ci') =>
  call('POST', config('update-config', query, mount), { body });
const reset = (body: unknown, query = 'infra=K8', mount = 'ci') =>
  call('POST', config('reset-config', query, mount), { body });
const overrides = async (query = 'infra=K8', mount = 'ci') => {
  const { body } = await call('GET', config('get-customer-config', query, mount));
  return (body as { data: unknown }).data;
};

function account(): AccountState {
  const state = harness.state['acct1'];
  if (!state) throw new Error('the account is gone');
  return state;
}

describe('the envelope', () => {
  it('wraps data with a status and a correlation id', async () => {
    const { status, body } = await update([{ field: 'addonTag', value: 'r/a:1' }]);
    expect(status).toBe(200);
    expect(body).toEqual({ status: 'SUCCESS', data: true, metaData: null, correlationId: expect.stringMatching(uuid) });
  });
});

describe('infra', () => {
  it.each(['K8', 'k8', '%20K8%20'])('reads the infrastructure leniently: %s', async (infra) => {
    account().ci.K8 = { addonTag: 'r/a:1' };
    expect(await overrides(`infra=${infra}`)).toEqual({ addonTag: 'r/a:1' });
  });

  it.each(['vm', 'Vm'])('reads the infrastructure leniently: %s', async (infra) => {
    account().ci.VM = { gitCloneTag: 'r/g:1' };
    expect(await overrides(`infra=${infra}`)).toEqual({ gitCloneTag: 'r/g:1' });
  });

  it.each(['k8s', 'KUBERNETES'])('refuses %s with the values it allows', async (infra) => {
    const { status, body } = await call('GET', config('get-default-config', `infra=${infra}`));
    expect(status).toBe(400);
    expect(body).toEqual({ code: 400, message: 'query param infra must be one of [K8, VM, DLITE_VM]' });
  });

  it.each(['', 'infra=', 'infra=%20'])('must be there: %j', async (query) => {
    const { status, body } = await call('GET', config('get-customer-config', query));
    expect(status).toBe(400);
    expect(body).toMatchObject({
      status: 'FAILURE',
      code: 'INVALID_REQUEST',
      message: 'infra: must not be null',
      errors: [{ fieldId: 'infra', error: 'must not be null' }],
    });
  });

  it.each([
    ['ci', 'dlite-vm'],
    ['ci', 'DLITE_VM'],
    ['iacm-manager', 'VM'],
    ['idp', 'VM'],
  ])('has no configuration in %s for %s', async (mount, infra) => {
    expect((await call('GET', config('get-default-config', `infra=${infra}`, mount))).status).toBe(500);
    harness.quirks.unknownFieldStatus = 400;
    const { status, body } = await update([], `infra=${infra}`, mount);
    expect(status).toBe(400);
    expect(body).toMatchObject({ message: expect.stringContaining('Config not supported for infra type: ') });
  });
});

describe('profiles', () => {
  const fieldsOf = (profile: ProfileName, infra: 'K8' | 'VM' = 'K8') =>
    Object.keys(officialDefaults(profile).ci[infra] ?? {});

  it.each([
    ['saas-2026', /^(harness|plugins)\/[a-z0-9_-]+:[a-z0-9.-]+$/, 50],
    ['saas-2023', /^(harness|plugins)\/[a-z0-9_-]+:[a-z0-9.-]+$/, 20],
    ['self-managed', /^harnesssecure\/[a-z0-9_-]+:[a-z0-9.-]+$/, 40],
  ] as const)('%s has images of the form that Harness documents', (profile, pattern, least) => {
    const images = imagesOf(officialDefaults(profile));
    expect(images.length).toBeGreaterThan(least);
    expect(images.filter((image) => !pattern.test(image))).toEqual([]);
  });

  it.each(profileNames)('%s has the agents among the fields of K8 alone', (profile) => {
    expect(fieldsOf(profile)).toEqual(expect.arrayContaining(['addonTag', 'liteEngineTag']));
    expect(fieldsOf(profile, 'VM').filter((field) => /addon|liteEngine/.test(field))).toEqual([]);
    expect(fieldsOf(profile, 'VM').filter((field) => !fieldsOf(profile).includes(field))).toEqual([]);
  });

  it('saas-2026 has every field that ci-manager of that year reads', () => {
    const both = [
      'buildAndPushBuildxDockerRegistryTag',
      'harUploadTag',
      'cacheAzureTag',
      'cacheTag',
      'sscaPrAttestationTag',
      'sscaJunitAttestationTag',
      'sscaAibomOrchestrationTag',
      'enforceAttestationTag',
      'deployAttestationTag',
      'provenanceTag',
      'iacmAwsCdk',
      'iacmBlastRadiusAgent',
      'iacmRemediationAgent',
      'buildkitTag',
    ];
    expect(fieldsOf('saas-2026')).toEqual(
      expect.arrayContaining([...both, 'buildAndPushBuildxGCRTag', 'addonTagRootless', 'cookieCutter']),
    );
    expect(fieldsOf('saas-2026', 'VM')).toEqual(expect.arrayContaining(both));
  });

  it('saas-2026 shows the whole set of CI at the endpoint of IACM too', () => {
    const { ci, iacm } = officialDefaults('saas-2026');
    expect(iacm.K8).toEqual(ci.K8);
  });

  it('saas-2023 has one field that can be read and not written, and none of IACM, IDP and Database DevOps', async () => {
    await using old = await startHarnessApi({ profile: 'saas-2023' });
    const send = (path: string, init: RequestInit = {}) =>
      fetch(`${old.url}/gateway${path}`, {
        ...init,
        headers: { 'x-api-key': old.apiKey, 'harness-account': 'embedded', 'content-type': 'application/json' },
      });
    const query = 'accountIdentifier=embedded&infra=VM';
    const write = (field: string) =>
      send(`/ci/execution-config/update-config?${query}`, {
        method: 'POST',
        body: JSON.stringify([{ field, value: 'x' }]),
      });
    expect((await write('gitCloneTag')).status).toBe(200);
    expect((await write('slsaVerificationTag')).status).toBe(500);
    for (const path of [
      '/iacm-manager/execution-config/get-default-config',
      '/idp/execution-config/get-default-config',
      '/idp/execution-config',
      '/v1/dbops/execution-config/get-default-config',
    ])
      expect([path, (await send(`${path}?${query}`)).status]).toEqual([path, 404]);
  });

  it('self-managed has no access check and no IDP', async () => {
    await using own = await startHarnessApi({ profile: 'self-managed' });
    const headers = { 'x-api-key': own.apiKey, 'content-type': 'application/json' };
    const at = (path: string) => `${own.url}/gateway${path}?accountIdentifier=embedded&infra=K8`;
    const check = await fetch(at('/authz/api/acl'), { method: 'POST', headers, body: '{"permissions":[]}' });
    expect(check.status).toBe(404);
    expect((await fetch(at('/idp/execution-config/get-default-config'), { headers })).status).toBe(404);
    const images = await fetch(at('/ci/execution-config/get-default-config'), { headers });
    expect(await images.json()).toMatchObject({
      data: { addonTag: 'harnesssecure/ci-addon:1.18.22', cacheS3Tag: 'harnesssecure/cache:1.10.12' },
    });
  });

  it('lack a path, or everything below one, where that quirk is on', async () => {
    const status = async (path: string) => (await call('GET', `${path}?accountIdentifier=acct1&infra=K8`)).status;
    harness.quirks.absentPaths = ['/gateway/idp/', '/gateway/ci/execution-config'];
    expect(await status('/idp/execution-config/get-default-config')).toBe(404);
    expect(await status('/ci/execution-config')).toBe(404);
    expect(await status('/ci/execution-config/get-default-config')).toBe(200);
  });
});

describe('reading', () => {
  it('publishes a new default, and takes one away', async () => {
    const read = async () =>
      ((await call('GET', config('get-default-config', 'infra=K8'))).body as { data: object }).data;
    harness.setDefault('ci', 'K8', 'brandNewTag', 'plugins/new:1.0.6');
    expect(await read()).toHaveProperty('brandNewTag', 'plugins/new:1.0.6');
    harness.setDefault('ci', 'K8', 'brandNewTag', undefined);
    expect(await read()).not.toHaveProperty('brandNewTag');
  });

  it('answers with overrides alone unless asked otherwise', async () => {
    account().ci.K8 = { addonTag: 'r/a:1' };
    expect(await overrides()).toEqual({ addonTag: 'r/a:1' });
    expect(await overrides('infra=K8&overridesOnly=TRUE')).toEqual({ addonTag: 'r/a:1' });
    expect(await overrides('infra=K8&overridesOnly=false')).toEqual({ ...officialDefaults().ci.K8, addonTag: 'r/a:1' });
  });

  it('leaves the supply chain out of the merged view, where that quirk is on', async () => {
    harness.quirks.overlaySkipsSupplyChain = true;
    account().ci.K8 = {
      addonTag: 'r/a:1',
      sscaOrchestrationTag: 'r/s:1',
      provenanceTag: 'r/p:1',
      slsaVerificationTag: 'r/v:1',
    };
    expect(await overrides('infra=K8&overridesOnly=false')).toEqual({ ...officialDefaults().ci.K8, addonTag: 'r/a:1' });
    expect(await overrides()).toHaveProperty('sscaOrchestrationTag', 'r/s:1');
  });

  it('says {} for no overrides, or null where that quirk is on', async () => {
    expect(await overrides()).toEqual({});
    harness.quirks.dataNull = true;
    expect(await overrides()).toBeNull();
  });
});

describe('writing', () => {
  const before = { gitCloneTag: 'r/g:0' };

  it.each([
    ['an unknown field', 'nosuchTag'],
    ['a field in the wrong case', 'addontag'],
    ['a name every object has', 'constructor'],
  ])('stores nothing of a batch with %s', async (_, field) => {
    account().ci.K8 = { ...before };
    const { status, body } = await update([
      { field: 'addonTag', value: 'r/a:1' },
      { field, value: 'r/x:1' },
    ]);
    expect(status).toBe(500);
    expect(body).toEqual({
      status: 'ERROR',
      code: 'UNKNOWN_ERROR',
      message: 'Oops, something went wrong on our end. Please contact Harness Support.',
      correlationId: expect.stringMatching(uuid),
      detailedMessage: null,
      responseMessages: [],
      metadata: null,
    });
    expect((await reset([{ field: 'gitCloneTag' }, { field }])).status).toBe(500);
    expect(await overrides()).toEqual(before);
  });

  it('calls an unknown field a bad request, where that quirk is on', async () => {
    harness.quirks.unknownFieldStatus = 400;
    const { status, body } = await update([{ field: 'nosuchTag', value: 'x' }]);
    expect(status).toBe(400);
    expect(body).toMatchObject({ message: 'Field nosuchTag does not exist for infra type: K8' });
  });

  it('stores any text, "" too, and takes an override away for null or no value', async () => {
    account().ci.K8 = { ...before, s3UploadTag: 'r/s:0' };
    await update([
      { field: 'addonTag', value: '' },
      { field: 'liteEngineTag', value: ':TeethyTiger', extra: true },
      { field: 'gitCloneTag', value: null },
      { field: 's3UploadTag' },
    ]);
    expect(await overrides()).toEqual({ addonTag: '', liteEngineTag: ':TeethyTiger' });
  });

  it('applies the operations of a batch in order', async () => {
    await update([
      { field: 'addonTag', value: 'r/a:1' },
      { field: 'addonTag', value: 'r/a:2' },
    ]);
    expect(await overrides()).toEqual({ addonTag: 'r/a:2' });
  });

  it('resets what is overridden and what is not, and ignores values', async () => {
    account().ci.K8 = { ...before, addonTag: 'r/a:1' };
    expect(await reset([{ field: 'gitCloneTag', value: 'r/ignored:1' }, { field: 'liteEngineTag' }])).toMatchObject({
      status: 200,
      body: { data: true },
    });
    expect(await overrides()).toEqual({ addonTag: 'r/a:1' });
  });

  it('does nothing, with success, for an empty list', async () => {
    expect(await update([])).toMatchObject({ status: 200, body: { data: true } });
  });

  it('keeps K8, VM and the modules apart', async () => {
    await update([{ field: 'gitCloneTag', value: 'k' }]);
    await update([{ field: 'gitCloneTag', value: 'v' }], 'infra=VM');
    await update([{ field: 'cookieCutter', value: 'i' }], 'infra=k8', 'idp');
    await update([{ field: 'iacmTerraform', value: 't' }], 'infra=k8', 'iacm-manager');
    expect(account()).toMatchObject({
      ci: { K8: { gitCloneTag: 'k' }, VM: { gitCloneTag: 'v' } },
      idp: { K8: { cookieCutter: 'i' }, VM: {} },
      iacm: { K8: { iacmTerraform: 't' }, VM: {} },
    });
  });

  it('loses one of two parallel writes to the same document, K8 or VM, where that quirk is on', async () => {
    harness.quirks.lostUpdateRaceMs = 300;
    await Promise.all([
      update([{ field: 'addonTag', value: 'r/a:1' }]),
      update([{ field: 'gitCloneTag', value: 'r/g:1' }], 'infra=VM'),
    ]);
    harness.quirks.lostUpdateRaceMs = 0;
    expect(Object.keys({ ...account().ci.K8, ...account().ci.VM })).toHaveLength(1);
  });

  it('refuses to write some of the fields it shows', async () => {
    harness.quirks.nonWritableFields = ['ci/VM/slsaVerificationTag'];
    expect(await call('GET', config('get-default-config', 'infra=VM'))).toMatchObject({
      body: { data: { slsaVerificationTag: expect.any(String) } },
    });
    expect((await update([{ field: 'slsaVerificationTag', value: 'x' }], 'infra=VM')).status).toBe(500);
    expect((await update([{ field: 'slsaVerificationTag', value: 'x' }])).status).toBe(200);
    expect((await update([{ field: 'iacmTerraform', value: 'x' }])).status).toBe(200);
    harness.quirks.nonWritableFields.push('ci/K8/iacm*');
    expect((await update([{ field: 'iacmTerraform', value: 'x' }])).status).toBe(500);
    expect((await update([{ field: 'iacmTerraform', value: 'x' }], 'infra=K8', 'iacm-manager')).status).toBe(200);
  });

  it('answers data: false and stores nothing, where that quirk is on', async () => {
    harness.quirks.writesAnswerFalse = ['idp'];
    expect(await update([{ field: 'createRepo', value: 'x' }], 'infra=K8', 'idp')).toMatchObject({
      status: 200,
      body: { status: 'SUCCESS', data: false },
    });
    expect(account().idp.K8).toEqual({});
  });

  it.each([
    ['JSON cut off', '[{"field":'],
    ['an object', { field: 'addonTag', value: 'x' }],
    ['a list of texts', ['addonTag']],
    ['a value that is an object', [{ field: 'addonTag', value: {} }]],
  ])('cannot process %s', async (_, body) => {
    const reply = await update(body);
    expect(reply.status).toBe(400);
    expect(reply.body).toMatchObject({ code: 400, message: 'Unable to process JSON' });
    expect(await overrides()).toEqual({});
  });

  it('wants a field in each operation', async () => {
    const { status, body } = await update([{ value: 'x' }]);
    expect(status).toBe(400);
    expect(body).toMatchObject({ status: 'FAILURE', errors: [{ fieldId: 'operations[0].field' }] });
  });

  it('wants JSON', async () => {
    const path = config('update-config', 'infra=K8');
    expect((await call('POST', path, { body: '[]', headers: { 'content-type': 'text/plain' } })).status).toBe(415);
  });

  it('deletes the whole document', async () => {
    account().ci = { K8: { addonTag: 'a' }, VM: { gitCloneTag: 'g' } };
    expect(await call('DELETE', '/ci/execution-config?accountIdentifier=acct1')).toMatchObject({
      body: { data: true },
    });
    expect(account().ci).toEqual({ K8: {}, VM: {} });
  });
});

describe('the check for old versions', () => {
  const data = async (path: string) =>
    (await call('GET', `/ci/execution-config${path}?accountIdentifier=acct1`)).body as { data: unknown };

  it.each([
    ['1.18.1', []],
    ['1.16.92', []],
    ['1.15.0', [{ tag: 'AddonImage', version: '1.15.0' }]],
    ['0.99.0', [{ tag: 'AddonImage', version: '0.99.0' }]],
    ['latest', []],
  ])('lists the old versions of a configuration with addon %s: %j', async (tag, expected) => {
    account().ci.K8 = { addonTag: `registry.example.com:5000/harness/ci-addon:${tag}` };
    expect((await data('')).data).toEqual(expected);
  });

  it('calls deprecated what lies a major version behind, and passes over digests', async () => {
    account().ci.K8 = { addonTag: 'harness/ci-addon:0.9.1', liteEngineTag: 'harness/ci-lite-engine@sha256:00' };
    expect((await data('/get-deprecated-config')).data).toEqual({ addonTag: 'harness/ci-addon:0.9.1' });
  });

  it.each([
    ['no override', {}],
    ['one override', { addonTag: 'harness/ci-addon:1.15.0' }],
    ['a digest', { addonTag: 'harness/ci-addon:1.15.0', liteEngineTag: 'harness/ci-lite-engine@sha256:00' }],
    ['a tag that is no version', { addonTag: 'harness/ci-addon:rootless-1.15.0', liteEngineTag: 'harness/x:1.15.0' }],
  ])('fails with %s, where versions must parse', async (_, overrides) => {
    harness.quirks.versionsMustParse = true;
    account().ci.K8 = overrides;
    for (const path of ['', '/get-deprecated-config'])
      expect(await call('GET', `/ci/execution-config${path}?accountIdentifier=acct1`)).toMatchObject({
        status: 500,
        body: { code: 'UNKNOWN_ERROR' },
      });
  });

  it('works on two versions, where versions must parse', async () => {
    harness.quirks.versionsMustParse = true;
    account().ci.K8 = { addonTag: 'harness/ci-addon:1.15.0', liteEngineTag: 'harness/ci-lite-engine:1.18.22' };
    expect((await data('')).data).toEqual([{ tag: 'AddonImage', version: '1.15.0' }]);
  });

  it('reads a number with a leading zero', async () => {
    account().ci.K8 = { addonTag: 'harness/ci-addon:1.09.0' };
    expect((await data('')).data).toEqual([{ tag: 'AddonImage', version: '1.09.0' }]);
  });

  it('serves the configuration at the endpoint of IDP too, which has neither image', async () => {
    expect((await call('GET', '/idp/execution-config?accountIdentifier=acct1')).body).toMatchObject({ data: [] });
    const deprecated = await call('GET', '/idp/execution-config/get-deprecated-config?accountIdentifier=acct1');
    expect(deprecated.body).toMatchObject({ data: {} });
  });
});

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
