import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { HarnessClient } from '../../functions/harness/client.ts';
import type { Secret } from '../../functions/harness/secret.ts';
import { Transport } from '../../functions/http/transport.ts';
import { defaultQuirks } from '../../infra/local/embedded/harness-api/quirks.ts';
import { startHarnessApi, type EmbeddedHarnessApi } from '../../infra/local/embedded/harness-api/server.ts';
import { emptyAccount, type SecretDocument } from '../../infra/local/embedded/harness-api/state.ts';
import type { LocalServer } from '../http/local-server.ts';
import { startJsonServer } from './json-server.ts';

const account: SecretDocument = {
  type: 'SecretText',
  name: 'ECR password',
  identifier: 'ecr',
  description: 'for the image connector',
  tags: { owner: 'platform' },
  spec: { secretManagerIdentifier: 'harnessSecretManager', valueType: 'Inline', value: 'old' },
};
const inProject = { orgIdentifier: 'default', projectIdentifier: 'ci' };
const project: SecretDocument = { ...account, ...inProject };

let harness: EmbeddedHarnessApi;
let client: HarnessClient;
const transport = new Transport();
const retry = { attempts: 2, baseMs: 1, maxMs: 1 };

beforeAll(async () => {
  harness = await startHarnessApi();
  client = new HarnessClient({ url: harness.url, apiKey: harness.apiKey, transport, retry });
});
beforeEach(() => {
  harness.state[harness.accountId] = { ...emptyAccount(), secrets: structuredClone([account, project]) };
  Object.assign(harness.quirks, defaultQuirks());
});
afterAll(async () => {
  await transport.destroy();
  await harness.close();
});

const stored = () => harness.state[harness.accountId]?.secrets ?? [];

async function secretOf(ref: Secret['ref']): Promise<Secret> {
  const secret = await client.secret(ref);
  if (!secret) throw new Error('the secret is gone');
  return secret;
}

describe('secrets of Harness', () => {
  it('reads a secret by its scope, without its value', async () => {
    expect(await client.secret({ identifier: 'ecr' })).toMatchObject({ type: 'SecretText', valueType: 'Inline' });
    expect(await secretOf({ identifier: 'ecr', ...inProject })).toMatchObject({ document: inProject });
  });

  it.each(['RESOURCE_NOT_FOUND_EXCEPTION', 'ENTITY_NOT_FOUND'] as const)(
    'reports a secret as missing for the code %s',
    async (code) => {
      harness.quirks.notFoundCode = code;
      expect(await client.secret({ identifier: 'other' })).toBeUndefined();
      expect(await client.secret({ identifier: 'ecr', orgIdentifier: 'default' })).toBeUndefined();
    },
  );

  it('sets the value, and keeps name, description, tags and secret manager', async () => {
    await client.updateSecret(await secretOf({ identifier: 'ecr' }), 'new');
    expect(stored()).toEqual([{ ...account, spec: { ...account.spec, value: 'new' } }, project]);
  });

  it('sets the value of a secret in a project', async () => {
    await client.updateSecret(await secretOf({ identifier: 'ecr', ...inProject }), 'new');
    expect(stored()).toEqual([account, { ...project, spec: { ...project.spec, value: 'new' } }]);
  });

  it('fails when a policy denies the update, although Harness responds with HTTP 200', async () => {
    const secret = await secretOf({ identifier: 'ecr' });
    harness.quirks.policyDeniesSecrets = true;
    await expect(client.updateSecret(secret, 'new')).rejects.toMatchObject({
      name: 'HarnessRejected',
      message: 'cannot update the secret ecr: a policy of the account denied it: denied by a policy',
      hint: expect.stringContaining('Change the policy'),
    });
    expect(stored()).toEqual([account, project]);
  });
});

describe('responses that look like success', () => {
  let server: LocalServer;
  /** Responds to updates. Reads return the secret. */
  let update: { status: number; body: (sent: string) => unknown };
  let served: HarnessClient;
  beforeAll(async () => {
    server = await startJsonServer((method, sent) =>
      method === 'GET' ? { status: 200, body: { status: 'SUCCESS', data: { secret: account } } } : respond(sent),
    );
    const respond = (sent: string) => ({ status: update.status, body: update.body(sent) });
    served = new HarnessClient({ url: server.url, apiKey: 'sat.acct1.key.aaaaaaaaaaaa', transport, retry });
  });
  afterAll(() => server.close());

  const password = 'hunter2222-very-secret';
  const updated = async () => {
    const secret = await served.secret({ identifier: 'ecr' });
    if (!secret) throw new Error('the secret is gone');
    return served.updateSecret(secret, password);
  };

  it.each([
    ['data is false', { status: 'SUCCESS', data: false }, 'HarnessRejected'],
    ['the status is ERROR', { status: 'ERROR', code: 'INVALID_REQUEST', message: 'no' }, 'HarnessRejected'],
    ['a policy denies', { status: 'SUCCESS', data: { governanceMetadata: { deny: true } } }, 'HarnessRejected'],
    ['the secret is absent', { status: 'SUCCESS', data: { governanceMetadata: null } }, 'HarnessUnexpectedResponse'],
    ['data is absent', { status: 'SUCCESS' }, 'HarnessUnexpectedResponse'],
    [
      'the secret is another one',
      { status: 'SUCCESS', data: { secret: { ...account, identifier: 'other' } } },
      'HarnessUnexpectedResponse',
    ],
  ])('fail when %s', async (_, body, name) => {
    update = { status: 200, body: () => body };
    await expect(updated()).rejects.toMatchObject({ name });
  });

  it('does not fail for a policy that only warns', async () => {
    update = {
      status: 200,
      body: () => ({ status: 'SUCCESS', data: { secret: account, governanceMetadata: { status: 'warning' } } }),
    };
    await expect(updated()).resolves.toBeUndefined();
  });

  it('names the permission that the key lacks', async () => {
    update = { status: 403, body: () => ({ status: 'ERROR', code: 'NG_ACCESS_DENIED', message: 'no' }) };
    await expect(updated()).rejects.toMatchObject({
      name: 'HarnessForbidden',
      hint: expect.stringContaining('core_secret_edit'),
    });
  });
});
