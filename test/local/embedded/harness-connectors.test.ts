import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { defaultQuirks } from '../../../infra/local/embedded/harness-api/quirks.ts';
import { type EmbeddedHarnessApi, startHarnessApi } from '../../../infra/local/embedded/harness-api/server.ts';
import {
  type AccountState,
  emptyAccount,
  type SecretDocument,
} from '../../../infra/local/embedded/harness-api/state.ts';
import { callHarness, type Sending } from './harness-call.ts';

const admin = 'sat.acct1.admin.aaaaaaaaaaaa';
const viewer = 'sat.acct1.viewer.bbbbbbbbbbbb';

let harness: EmbeddedHarnessApi;
beforeAll(async () => {
  harness = await startHarnessApi({
    keys: [
      {
        key: admin,
        accountId: 'acct1',
        permissions: ['core_connector_view', 'core_connector_edit'],
      },
      { key: viewer, accountId: 'acct1', permissions: ['core_connector_view'] },
    ],
  });
});
beforeEach(() => {
  harness.state['acct1'] = emptyAccount();
  Object.assign(harness.quirks, defaultQuirks());
});
afterAll(() => harness.close());

function account(): AccountState {
  const state = harness.state['acct1'];
  if (!state) throw new Error('the account is gone');
  return state;
}

const call = (method: string, path: string, sending?: Sending, key = admin) =>
  callHarness(`${harness.url}/gateway/ng/api/connectors${path}`, key, method, sending);
const read = async (identifier = 'harnessImage', scope = '') =>
  call('GET', `/${identifier}?accountIdentifier=acct1${scope}`);
const update = (connector: unknown, key = admin) =>
  call('PUT', '?accountIdentifier=acct1', { body: { connector } }, key);

/** The stored connector as a response shows it, which is what an update sends back. */
async function whole(): Promise<Record<string, unknown> & { spec: Record<string, unknown> }> {
  const { data } = (await read()).body as { data: { connector: never } };
  return data.connector;
}

describe('reading', () => {
  it.each([
    ['docker-hub', 'https://index.docker.io/v2/', 'DockerHub'],
    ['gar', 'https://us-docker.pkg.dev/gar-prod-setup/harness-public', 'Other'],
    ['ecr-public', 'https://public.ecr.aws/harness', 'Other'],
    ['https://registry.example.com/mirror', 'https://registry.example.com/mirror', 'Other'],
  ] as const)('shows an account whose connector is for %s', async (choice, dockerRegistryUrl, providerType) => {
    harness.state['acct1'] = emptyAccount(choice);
    expect((await read()).body).toMatchObject({
      status: 'SUCCESS',
      data: {
        harnessManaged: true,
        connector: {
          identifier: 'harnessImage',
          orgIdentifier: null,
          projectIdentifier: null,
          type: 'DockerRegistry',
          spec: { dockerRegistryUrl, providerType, auth: { type: 'Anonymous' } },
        },
      },
    });
  });

  it('finds a connector in the scope of the query alone', async () => {
    const scope = { orgIdentifier: 'default', projectIdentifier: 'ci' };
    account().connectors.push({ identifier: 'mirror', name: 'Mirror', type: 'DockerRegistry', spec: {}, ...scope });
    expect(await read('mirror', '&orgIdentifier=default&projectIdentifier=ci')).toMatchObject({
      status: 200,
      body: { data: { harnessManaged: false, connector: scope } },
    });
    expect((await read('mirror', '&orgIdentifier=default')).status).toBe(400);
    expect((await read('mirror')).status).toBe(400);
    expect((await read('harnessImage', '&orgIdentifier=default')).status).toBe(400);
  });

  it.each([
    ['RESOURCE_NOT_FOUND_EXCEPTION', 400],
    ['ENTITY_NOT_FOUND', 404],
  ] as const)('says %s for a connector that does not exist, by choice', async (code, status) => {
    harness.quirks.notFoundCode = code;
    harness.state['acct1'] = emptyAccount('none');
    expect(await read()).toMatchObject({ status, body: { status: 'ERROR', code, message: expect.any(String) } });
  });
});

describe('an update', () => {
  it('replaces the whole connector, and returns it', async () => {
    const { description: _, ...connector } = await whole();
    const spec = { ...connector.spec, dockerRegistryUrl: 'https://registry.example.com/mirror', providerType: 'Other' };
    const reply = await update({ ...connector, spec });
    expect(reply).toMatchObject({ status: 200, body: { status: 'SUCCESS', data: { connector: { spec } } } });
    expect(await whole()).toEqual({ ...connector, description: null, spec });
  });

  it('takes back what a response showed, with its nulls', async () => {
    const before = structuredClone(account().connectors);
    expect((await update(await whole())).status).toBe(200);
    expect(account().connectors).toEqual(before);
  });

  it('takes its scope from the body', async () => {
    const org = { identifier: 'mirror', name: 'Mirror', type: 'Gcp', orgIdentifier: 'default', spec: {} };
    account().connectors.push({ ...org });
    expect((await update({ ...org, name: 'New' })).status).toBe(200);
    expect((await update({ ...org, orgIdentifier: undefined })).status).toBe(400);
    expect(account().connectors.map(({ name }) => name)).toEqual(['Harness Docker Connector', 'New']);
  });

  it('needs core_connector_edit', async () => {
    const connector = await whole();
    expect(await update({ ...connector, name: 'x' }, viewer)).toMatchObject({
      status: 403,
      body: {
        code: 'NG_ACCESS_DENIED',
        failedPermissionChecks: [
          { permission: 'core_connector_edit', resourceType: 'CONNECTOR', resourceIdentifier: 'harnessImage' },
        ],
      },
    });
    expect(await whole()).toEqual(connector);
  });

  it('serves connectors at the root alone, and reads JSON alone', async () => {
    expect((await call('PUT', '/harnessImage?accountIdentifier=acct1', { body: {} })).status).toBe(405);
    const yaml = { body: 'connector: {}', headers: { 'content-type': 'text/yaml' } };
    expect((await call('PUT', '?accountIdentifier=acct1', yaml)).status).toBe(415);
    expect((await call('PUT', '', { body: {}, headers: { 'harness-account': 'acct1' } })).body).toMatchObject({
      errors: [{ fieldId: 'accountIdentifier' }],
    });
  });

  const changed = async (spec: Record<string, unknown>, more: Record<string, unknown> = {}) => {
    const connector = await whole();
    return { ...connector, ...more, spec: { ...connector.spec, ...spec } };
  };
  const login = (spec: Record<string, unknown>) => changed({ auth: { type: 'UsernamePassword', spec } });
  const notFound = 'No connector exists';

  it.each([
    ['without a connector', async () => null, 'connector: must not be null'],
    ['without a name', () => changed({}, { name: null }), 'connector.name: must not be null'],
    ['without a spec', () => changed({}).then(({ spec: _, ...rest }) => rest), 'connector.spec: must not be null'],
    ['of a connector that does not exist', () => changed({}, { identifier: 'other' }), notFound],
    ['of a connector of another scope', () => changed({}, { orgIdentifier: 'default' }), notFound],
    ['of the type', () => changed({}, { type: 'Gcp' }), 'cannot be changed'],
    ['without an address', () => changed({ dockerRegistryUrl: ' ' }), 'connector.spec.dockerRegistryUrl: '],
    ['to an unknown provider', () => changed({ providerType: 'Google' }), 'Unable to process JSON'],
    ['without a login', () => changed({ auth: null }), 'connector.spec.auth: '],
    ['with two users', () => login({ username: 'a', usernameRef: 'b', passwordRef: 'c' }), 'Exactly one'],
    ['without a user', () => login({ passwordRef: 'c' }), 'Exactly one'],
    ['without a password', () => login({ username: 'a' }), 'passwordRef: must not be null'],
    ['to a secret that does not exist', () => login({ username: 'a', passwordRef: 'account.c' }), 'Secret account.c'],
  ])('refuses an update %s', async (_, connectorOf, message) => {
    const before = structuredClone(account().connectors);
    expect(await update(await connectorOf())).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining(message) },
    });
    expect(account().connectors).toEqual(before);
  });

  it.each(['account.ecr', 'ecr'])('accepts a password in the secret %s of the account', async (passwordRef) => {
    const spec = { secretManagerIdentifier: 'harnessSecretManager', valueType: 'Inline', value: 'x' } as const;
    const secret: SecretDocument = { identifier: 'ecr', name: 'ECR', type: 'SecretText', spec };
    account().secrets.push(secret);
    expect((await update(await login({ username: 'AWS', passwordRef }))).status).toBe(200);
  });
});

describe('the access check', () => {
  it.each([
    [admin, true],
    [viewer, false],
  ])('tells whether the key %s may edit a connector', async (key, permitted) => {
    const check = {
      resourceScope: { accountIdentifier: 'acct1', orgIdentifier: 'default' },
      resourceType: 'CONNECTOR',
      resourceIdentifier: 'mirror',
      permission: 'core_connector_edit',
    };
    const reply = await callHarness(`${harness.url}/gateway/authz/api/acl?accountIdentifier=acct1`, key, 'POST', {
      body: { permissions: [check] },
    });
    expect(reply.body).toMatchObject({
      data: {
        accessControlList: [
          {
            ...check,
            resourceScope: { accountIdentifier: 'acct1', orgIdentifier: 'default', projectIdentifier: null },
            permitted,
          },
        ],
      },
    });
  });
});
