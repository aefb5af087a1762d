import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { defaultQuirks } from '../../../infra/local/embedded/harness-api/quirks.ts';
import { type EmbeddedHarnessApi, startHarnessApi } from '../../../infra/local/embedded/harness-api/server.ts';
import { emptyAccount, type SecretDocument } from '../../../infra/local/embedded/harness-api/state.ts';
import { callHarness, type Sending } from './harness-call.ts';

const editor = 'sat.acct1.editor.aaaaaaaaaaaa';
const viewer = 'sat.acct1.viewer.bbbbbbbbbbbb';
const spec = { secretManagerIdentifier: 'harnessSecretManager', valueType: 'Inline', value: 'old-password' } as const;
const text = { type: 'SecretText', name: 'ECR password', identifier: 'ecr', tags: { owner: 'platform' } };
const project = { orgIdentifier: 'default', projectIdentifier: 'ci' };
const inProject = '&orgIdentifier=default&projectIdentifier=ci';

let harness: EmbeddedHarnessApi;
beforeAll(async () => {
  harness = await startHarnessApi({
    keys: [
      { key: editor, accountId: 'acct1', permissions: ['core_secret_view', 'core_secret_edit'] },
      { key: viewer, accountId: 'acct1', permissions: ['core_secret_view'] },
    ],
  });
});
beforeEach(() => {
  const secrets = [
    { ...text, spec },
    { ...text, ...project, spec },
  ];
  harness.state['acct1'] = { ...emptyAccount(), secrets: structuredClone(secrets) };
  Object.assign(harness.quirks, defaultQuirks());
});
afterAll(() => harness.close());

const call = (method: string, query: string, sending?: Sending, key = editor) =>
  callHarness(`${harness.url}/gateway/ng/api/v2/secrets/ecr?accountIdentifier=acct1${query}`, key, method, sending);
const update = (secret: unknown, query = '', key = editor) => call('PUT', query, { body: { secret } }, key);
const stored = (): SecretDocument[] => harness.state['acct1']?.secrets ?? [];
const values = () => stored().map((secret) => secret.spec.value);

describe('reading', () => {
  it('shows everything of a secret but its value', async () => {
    const reply = await call('GET', '');
    expect(reply).toMatchObject({
      status: 200,
      body: {
        status: 'SUCCESS',
        data: { secret: { ...text, orgIdentifier: null, spec: { ...spec, value: null } }, governanceMetadata: null },
      },
    });
    expect(reply.text).not.toContain('old-password');
  });

  it('looks in the scope of the query alone', async () => {
    expect((await call('GET', inProject)).body).toMatchObject({ data: { secret: project } });
    expect(await call('GET', '&orgIdentifier=default')).toMatchObject({
      status: 400,
      body: { code: 'RESOURCE_NOT_FOUND_EXCEPTION' },
    });
    harness.quirks.notFoundCode = 'ENTITY_NOT_FOUND';
    expect(await call('GET', '&orgIdentifier=default')).toMatchObject({
      status: 404,
      body: { code: 'ENTITY_NOT_FOUND' },
    });
  });
});

describe('an update', () => {
  it('stores the value, which the server shows and no response does', async () => {
    const reply = await update({ ...text, spec: { ...spec, value: 'new-password' } });
    expect(reply).toMatchObject({ status: 200, body: { data: { secret: { spec: { value: null } } } } });
    expect(reply.text).not.toContain('new-password');
    expect(values()).toEqual(['new-password', 'old-password']);
  });

  it('writes the secret of the scope that query and body name', async () => {
    expect((await update({ ...text, ...project, spec: { ...spec, value: 'new' } }, inProject)).status).toBe(200);
    expect(values()).toEqual(['old-password', 'new']);
  });

  it('replaces tags and description, and keeps a value that is not sent', async () => {
    const { tags: _, ...untagged } = text;
    expect((await update({ ...untagged, description: 'nightly', spec: { ...spec, value: null } })).status).toBe(200);
    expect(stored()[0]).toEqual({ ...untagged, description: 'nightly', spec });
  });

  it('needs core_secret_edit', async () => {
    expect(await update({ ...text, spec: { ...spec, value: 'new' } }, '', viewer)).toMatchObject({
      status: 403,
      body: { failedPermissionChecks: [{ permission: 'core_secret_edit', resourceType: 'SECRET' }] },
    });
    expect(values()).toEqual(['old-password', 'old-password']);
  });

  it('denies a secret with status 200 where a policy denies it', async () => {
    harness.quirks.policyDeniesSecrets = true;
    const { status, body } = await update({ ...text, spec: { ...spec, value: 'new' } });
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: 'SUCCESS', data: { governanceMetadata: { status: 'error' } } });
    expect(body).not.toHaveProperty('data.secret');
    expect(values()).toEqual(['old-password', 'old-password']);
  });

  it.each([
    [
      'of a secret that does not exist',
      { ...text, orgIdentifier: 'x', spec },
      '&orgIdentifier=x',
      'No such secret found',
    ],
    ['with another scope in the body', { ...text, ...project, spec }, '', 'do not match'],
    ['of the identifier', { ...text, identifier: 'other', spec }, '', 'identifier of a secret cannot'],
    ['of the type', { ...text, type: 'SecretFile', spec }, '', 'type of a secret cannot'],
    [
      'of the secret manager',
      { ...text, spec: { ...spec, secretManagerIdentifier: 'vault' } },
      '',
      'secret manager of',
    ],
    ['without a secret', null, '', 'secret: must not be null'],
    ['without a name', { ...text, name: '', spec }, '', 'secret.name: must not be null'],
    ['without a spec', text, '', 'secret.spec: must not be null'],
    ['without a secret manager', { ...text, spec: { valueType: 'Inline' } }, '', 'secretManagerIdentifier: must not'],
    ['to an unknown kind of value', { ...text, spec: { ...spec, valueType: 'File' } }, '', 'Unable to process JSON'],
  ])('refuses an update %s', async (_, secret, query, message) => {
    const before = structuredClone(stored());
    expect(await update(secret, query)).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining(message) },
    });
    expect(stored()).toEqual(before);
  });

  it('reads JSON alone', async () => {
    const yaml = { body: 'secret: {}', headers: { 'content-type': 'application/yaml' } };
    expect((await call('PUT', '', yaml)).status).toBe(415);
    expect((await call('PUT', '', { body: '[]' })).body).toMatchObject({ message: 'Unable to process JSON' });
    expect((await call('PUT', '', { body: '' })).status).toBe(400);
  });
});
