import { describe, expect, it } from '@jest/globals';
import { account, call, harness, useHarness } from './harness-under-test.ts';

useHarness();

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
