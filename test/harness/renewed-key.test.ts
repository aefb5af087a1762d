import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { HarnessClient } from '../../functions/harness/client.ts';
import { anonymous } from '../../functions/oci/registry/auth/credentials.ts';
import { Runtime } from '../../functions/runtime/runtime.ts';
import { parseConfiguration } from '../../functions/settings/configuration.ts';
import { type EmbeddedHarnessApi, startHarnessApi } from '../../infra/local/embedded/harness-api/server.ts';
import { MemoryStore } from '../state/memory-store.ts';

const scope = { module: 'ci', infrastructureType: 'K8' } as const;
const right = 'pat.account1.token.right';
const wrong = 'pat.account1.token.wrong';
const viewer = 'pat.account1.token.viewer';

let harness: EmbeddedHarnessApi;
beforeEach(async () => {
  const accountId = 'account1';
  harness = await startHarnessApi({
    keys: [
      { key: right, accountId, permissions: ['core_account_view', 'core_account_edit', 'core_connector_view'] },
      { key: viewer, accountId, permissions: ['core_account_view'] },
    ],
  });
});
afterEach(() => harness.close());

describe('a client whose key is refused', () => {
  /** Keys that were refused, in order. */
  let refusals: string[];
  const clientOf = (apiKey: string, stored: () => string) => {
    refusals = [];
    const renewKey = async (refused: string) => {
      refusals.push(refused);
      return stored();
    };
    return new HarnessClient({ url: harness.url, apiKey, renewKey });
  };

  it('repeats the call with the key that is stored now', async () => {
    const client = clientOf(wrong, () => right);
    expect(await client.overrides(scope)).toEqual({});
    expect(await client.overrides(scope)).toEqual({});
    expect(refusals).toEqual([wrong]);
  });

  it('reads the key again once, and calls once, when there is no other', async () => {
    const client = clientOf(wrong, () => wrong);
    await expect(client.overrides(scope)).rejects.toMatchObject({ name: 'HarnessUnauthorized' });
    expect(refusals).toEqual([wrong]);
    expect(harness.requests).toHaveLength(1);
  });

  it('gives up when the other key is refused as well', async () => {
    const client = clientOf(wrong, () => `${wrong}er`);
    await expect(client.overrides(scope)).rejects.toMatchObject({ name: 'HarnessUnauthorized' });
    expect(harness.requests).toHaveLength(2);
  });

  it('keeps to its account: a key of another one is for the next task', async () => {
    const client = clientOf(wrong, () => 'pat.account2.token.right');
    await expect(client.overrides(scope)).rejects.toMatchObject({ name: 'HarnessUnauthorized' });
    expect(harness.requests).toHaveLength(1);
  });

  it('reports the refusal when the secret cannot be read', async () => {
    const client = clientOf(wrong, () => {
      throw new Error('throttled');
    });
    await expect(client.overrides(scope)).rejects.toMatchObject({ name: 'HarnessUnauthorized' });
  });

  it('writes with the key that has got the permission', async () => {
    const client = clientOf(viewer, () => right);
    await client.updateConfig(scope, [{ field: 'addonTag', value: 'registry.example/harness/ci-addon:1' }]);
    expect(harness.state['account1']?.ci.K8).toEqual({ addonTag: 'registry.example/harness/ci-addon:1' });
    expect(refusals).toEqual([viewer]);
  });

  it('checks the permission again with the key that is stored now', async () => {
    expect(await clientOf(viewer, () => right).isPermitted('core_account_edit')).toBe(true);
    expect(await clientOf(viewer, () => viewer).isPermitted('core_account_edit')).toBe(false);
  });
});

describe('a runtime that stays warm', () => {
  const runtimeWith = (stored: (refused?: string) => string) =>
    new Runtime({
      configuration: parseConfiguration({ HARNESS_URL: harness.url, HARNESS_API_KEY_SECRET: 'key' }),
      store: new MemoryStore(),
      harnessApiKey: async (refused) => stored(refused),
      credentials: anonymous,
      repositories: { ensure: async () => undefined, deleteImages: async () => false },
    });
  const overrides = async (runtime: Runtime) => (await runtime.harness()).overrides(scope);

  it.each([
    ['of another account', 'pat.account9.token.wrong', 'HarnessUnauthorized'],
    ['of the account', wrong, 'HarnessUnauthorized'],
    ['that is none', 'no key at all', 'InvalidConfiguration'],
  ])('works with the corrected key after one %s', async (_, first, name) => {
    let known = first;
    let current = first;
    // As a secret is read: again only after a refusal.
    const runtime = runtimeWith((refused) => (refused === known ? (known = current) : known));
    await expect(overrides(runtime)).rejects.toMatchObject({ name });
    current = right;
    expect(await overrides(runtime)).toEqual({});
    await runtime.close();
  });
});
