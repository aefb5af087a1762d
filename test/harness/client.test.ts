import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { HarnessClient } from '../../functions/harness/client.ts';
import type { Connector } from '../../functions/harness/connector.ts';
import type { ConfigScope } from '../../functions/harness/scope.ts';
import { Transport } from '../../functions/http/transport.ts';
import { defaultQuirks } from '../../infra/local/embedded/harness-api/quirks.ts';
import { startHarnessApi, type EmbeddedHarnessApi } from '../../infra/local/embedded/harness-api/server.ts';
import { emptyAccount, type AccountState } from '../../infra/local/embedded/harness-api/state.ts';

const k8: ConfigScope = { module: 'ci', infrastructureType: 'K8' };
const vm: ConfigScope = { module: 'ci', infrastructureType: 'VM' };
const addon = { field: 'addonTag', value: 'registry.example.com/p/harness/ci-addon:9.9.1' };
const liteEngine = { field: 'liteEngineTag', value: 'registry.example.com/p/harness/ci-lite-engine:9.9.1' };

let harness: EmbeddedHarnessApi;
let client: HarnessClient;
const transport = new Transport();

beforeAll(async () => {
  harness = await startHarnessApi();
  client = new HarnessClient({ url: harness.url, apiKey: harness.apiKey, transport });
});

beforeEach(() => {
  harness.state[harness.accountId] = emptyAccount();
  harness.requests.length = 0;
  Object.assign(harness.quirks, defaultQuirks());
});

afterAll(async () => {
  await transport.destroy();
  await harness.close();
});

function account(): AccountState {
  const state = harness.state[harness.accountId];
  if (!state) throw new Error('the account is gone');
  return state;
}

describe('reading', () => {
  it('reads the official images of each module and infrastructure', async () => {
    expect(await client.defaultConfig(k8)).toMatchObject({ gitCloneTag: 'harness/drone-git:1.7.25-rootless' });
    expect(await client.defaultConfig(vm)).toMatchObject({ gitCloneTag: 'harness/drone-git:1.7.25' });
    expect(await client.defaultConfig({ module: 'iacm', infrastructureType: 'K8' })).toHaveProperty('iacmAwsCdk');
    expect(await client.defaultConfig({ module: 'idp', infrastructureType: 'K8' })).toHaveProperty('cookieCutter');
    expect(harness.requests.map(({ path }) => path)).toEqual([
      '/gateway/ci/execution-config/get-default-config',
      '/gateway/ci/execution-config/get-default-config',
      '/gateway/iacm-manager/execution-config/get-default-config',
      '/gateway/idp/execution-config/get-default-config',
    ]);
  });

  it('names the account and the infrastructure in every request', async () => {
    await client.defaultConfig(k8);
    await client.overrides(vm);
    await client.updateConfig(k8, [addon]);
    await client.resetConfig(vm, ['gitCloneTag']);
    const account = { accountIdentifier: harness.accountId };
    expect(harness.requests.map(({ query }) => query)).toEqual([
      { ...account, infra: 'K8' },
      { ...account, infra: 'VM', overridesOnly: 'true' },
      { ...account, infra: 'K8' },
      { ...account, infra: 'VM' },
    ]);
  });

  it('takes fields it has never heard of, and passes over values that are no strings', async () => {
    const data = {
      newTag: 'harness/new:1',
      count: 3,
      nothing: null,
      nested: { tag: 'x' },
      ['__proto__']: 'harness/odd:1',
    };
    harness.quirks.failNext.push({ count: 1, status: 200, body: { status: 'SUCCESS', data } });
    const images = await client.defaultConfig(k8);
    expect(Object.entries(images)).toEqual(expect.arrayContaining([['newTag', 'harness/new:1']]));
    expect(Object.values(images).every((value) => typeof value === 'string')).toBe(true);
    expect(images['count']).toBeUndefined();
  });

  it.each([
    ['null', null],
    ['missing', undefined],
    ['{}', {}],
  ])('reads %s as no overrides', async (_, data) => {
    harness.quirks.failNext.push({ count: 1, status: 200, body: { status: 'SUCCESS', data } });
    expect(await client.overrides(k8)).toEqual({});
  });

  it('does not take a blank value for an override', async () => {
    account().ci.K8 = { addonTag: '', gitCloneTag: ' ', [liteEngine.field]: liteEngine.value };
    expect(await client.overrides(k8)).toEqual({ [liteEngine.field]: liteEngine.value });
  });

  it('sees supply chain overrides that the merged view leaves out', async () => {
    harness.quirks.overlaySkipsSupplyChain = true;
    account().ci.K8 = { sscaOrchestrationTag: 'registry.example.com/harness/ssca-plugin:1' };
    expect(await client.overrides(k8)).toEqual({ sscaOrchestrationTag: 'registry.example.com/harness/ssca-plugin:1' });
  });

  it('shows what another writer overrode, as it is', async () => {
    const foreign = { s3UploadTag: 'other.example.com:5000/s3@sha256:abc', gcsUploadTag: 'gcs' };
    account().ci.VM = foreign;
    expect(await client.overrides(vm)).toEqual(foreign);
  });
});

describe('permissions', () => {
  it('asks for a permission without a write', async () => {
    expect(await client.isPermitted('core_account_edit')).toBe(true);
    expect(await client.isPermitted('core_account_delete')).toBe(false);
    const connector = { identifier: 'mirror', orgIdentifier: 'default' };
    expect(await client.isPermitted('core_connector_edit', connector)).toBe(true);
    expect(harness.requests.at(-1)?.body).toEqual({
      permissions: [
        {
          resourceScope: { accountIdentifier: harness.accountId, orgIdentifier: 'default' },
          resourceType: 'CONNECTOR',
          resourceIdentifier: 'mirror',
          permission: 'core_connector_edit',
        },
      ],
    });
    expect(harness.requests[0]).toEqual({
      method: 'POST',
      path: '/gateway/authz/api/acl',
      query: { accountIdentifier: harness.accountId },
      body: {
        permissions: [
          {
            resourceScope: { accountIdentifier: harness.accountId },
            resourceType: 'ACCOUNT',
            permission: 'core_account_edit',
          },
        ],
      },
    });
  });

  it.each([
    ['nothing', null],
    ['no list', { accessControlList: null }],
    ['another permission', { accessControlList: [null, { permission: 'core_account_view', permitted: true }] }],
    ['no verdict', { accessControlList: [{ permission: 'core_account_edit' }] }],
  ])('does not assume a permission after a response with %s', async (_, data) => {
    harness.quirks.failNext.push({ count: 1, status: 200, body: { status: 'SUCCESS', data } });
    await expect(client.isPermitted('core_account_edit')).rejects.toMatchObject({ name: 'HarnessUnexpectedResponse' });
  });
});

describe('writing', () => {
  it('sends a batch in one request', async () => {
    await client.updateConfig(k8, [addon, liteEngine]);
    expect(harness.requests).toEqual([expect.objectContaining({ method: 'POST', body: [addon, liteEngine] })]);
    expect(await client.overrides(k8)).toEqual({ addonTag: addon.value, liteEngineTag: liteEngine.value });
  });

  it('resets a batch in one request, and nothing beside it', async () => {
    account().ci.K8 = { addonTag: 'a:1', liteEngineTag: 'b:1', s3UploadTag: 'other.example.com/s3:1' };
    await client.resetConfig(k8, ['addonTag', 'liteEngineTag', 'gitCloneTag']);
    expect(harness.requests).toHaveLength(1);
    expect(await client.overrides(k8)).toEqual({ s3UploadTag: 'other.example.com/s3:1' });
  });

  it('leaves VM alone when it writes K8, and the other modules', async () => {
    account().ci.VM = { gitCloneTag: 'v:1' };
    account().idp.K8 = { cookieCutter: 'i:1' };
    await client.updateConfig(k8, [addon]);
    expect(await client.overrides(vm)).toEqual({ gitCloneTag: 'v:1' });
    expect(await client.overrides({ module: 'idp', infrastructureType: 'K8' })).toEqual({ cookieCutter: 'i:1' });
  });

  it('sends nothing for an empty list', async () => {
    await client.updateConfig(k8, []);
    await client.resetConfig(k8, []);
    expect(harness.requests).toEqual([]);
  });

  it('refuses an empty value before it sends anything', async () => {
    await expect(client.updateConfig(k8, [addon, { field: 'liteEngineTag', value: ' ' }])).rejects.toThrow(
      new TypeError('empty value for field liteEngineTag'),
    );
    expect(harness.requests).toEqual([]);
  });

  it('sends of a change its field and value only', async () => {
    const change = { ...addon, from: 'harness/ci-addon:1' };
    await client.updateConfig(k8, [change]);
    expect(harness.requests[0]?.body).toEqual([addon]);
  });
});

describe('connectors', () => {
  it('reads the connector that Harness pulls its images through', async () => {
    expect(await client.connector({ identifier: 'harnessImage' })).toEqual({
      type: 'DockerRegistry',
      dockerRegistryUrl: 'https://index.docker.io/v2/',
      providerType: 'DockerHub',
      authType: 'Anonymous',
      document: expect.objectContaining({ description: 'Harness images', tags: { owner: 'platform' } }),
    });
  });

  it('looks in the project, in the organisation or in the account, whichever is named', async () => {
    const spec = { dockerRegistryUrl: 'https://registry.example.com', providerType: 'Other' };
    const connector = { identifier: 'mirror', name: 'Mirror', type: 'DockerRegistry', spec };
    account().connectors = [{ ...connector, orgIdentifier: 'default', projectIdentifier: 'ci' }];
    const project = { orgIdentifier: 'default', projectIdentifier: 'ci' };
    expect(await client.connector({ identifier: 'mirror', ...project })).toEqual({
      type: 'DockerRegistry',
      dockerRegistryUrl: 'https://registry.example.com',
      providerType: 'Other',
      document: expect.objectContaining({ ...project, spec }),
    });
    expect(await client.connector({ identifier: 'mirror', orgIdentifier: 'default' })).toBeUndefined();
    expect(await client.connector({ identifier: 'mirror' })).toBeUndefined();
  });

  it.each(['RESOURCE_NOT_FOUND_EXCEPTION', 'ENTITY_NOT_FOUND'] as const)(
    'takes %s for a connector that does not exist',
    async (code) => {
      harness.quirks.notFoundCode = code;
      expect(await client.connector({ identifier: 'mirror' })).toBeUndefined();
      expect(harness.requests).toHaveLength(1);
    },
  );

  it('does not take another error for a connector that does not exist', async () => {
    const body = { status: 'ERROR', code: 'INVALID_REQUEST', message: 'no' };
    harness.quirks.failNext.push({ count: 1, status: 400, body });
    await expect(client.connector({ identifier: 'mirror' })).rejects.toMatchObject({ name: 'HarnessRejected' });
  });

  it('reads only the type of a connector of another type', async () => {
    account().connectors = [{ identifier: 'gh', name: 'GitHub', type: 'Github', spec: { url: 'https://github.com' } }];
    const { document: _, ...read } = (await client.connector({ identifier: 'gh' })) ?? {};
    expect(read).toEqual({ type: 'Github' });
  });

  it('changes the address of a connector, and sends the rest back as it was read', async () => {
    const spec = {
      dockerRegistryUrl: 'https://old.example',
      providerType: 'DockerHub',
      proxy: null,
      later: { a: [null] },
      auth: { type: 'Anonymous' },
    };
    const document = {
      identifier: 'mirror',
      name: 'Mirror',
      type: 'DockerRegistry',
      projectIdentifier: 'ci',
      x: 1,
      spec,
    };
    const read = { status: 'SUCCESS', data: { connector: document } };
    harness.quirks.failNext.push({ count: 1, status: 200, body: read });
    const connector = await client.connector({ identifier: 'mirror' });
    account().connectors = [document];
    const address = { dockerRegistryUrl: 'https://new.example/mirror', providerType: 'Other' };
    await client.updateConnector({ identifier: 'mirror' }, connector as Connector, address);
    expect(harness.requests.at(-1)).toMatchObject({
      method: 'PUT',
      path: '/gateway/ng/api/connectors',
      query: { accountIdentifier: harness.accountId },
    });
    const { proxy: _, ...kept } = spec;
    expect(harness.requests.at(-1)?.body).toEqual({ connector: { ...document, spec: { ...kept, ...address } } });
    expect(account().connectors[0]?.spec).toMatchObject(address);
  });

  it.each([
    ['a policy that denies the update', { governanceMetadata: { status: 'error' } }, 'HarnessRejected'],
    ['a response without the new address', { connector: {} }, 'HarnessUnexpectedResponse'],
  ])('reports %s', async (_, data, name) => {
    const connector = (await client.connector({ identifier: 'harnessImage' })) as Connector;
    harness.quirks.failNext.push({ count: 1, status: 200, body: { status: 'SUCCESS', data } });
    const update = client.updateConnector({ identifier: 'harnessImage' }, connector, {
      dockerRegistryUrl: 'https://new.example',
    });
    await expect(update).rejects.toMatchObject({ name });
  });

  it('keeps an odd identifier inside its path segment', async () => {
    await expect(client.connector({ identifier: '../x?y' })).rejects.toMatchObject({
      name: 'HarnessUnexpectedResponse',
    });
    expect(harness.requests).toMatchObject([{ path: '/gateway/ng/api/connectors/..%2Fx%3Fy' }]);
  });
});

it('finds the gateway from every form of the base URL', async () => {
  for (const suffix of ['', '/', '/gateway', '/gateway/', '//']) {
    const other = new HarnessClient({ url: harness.url + suffix, apiKey: harness.apiKey, transport });
    expect(await other.overrides(k8)).toEqual({});
  }
});
