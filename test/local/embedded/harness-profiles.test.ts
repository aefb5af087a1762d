import { describe, expect, it } from '@jest/globals';
import { imagesOf } from '../../../infra/local/embedded/harness-api/defaults.ts';
import {
  officialDefaults,
  profileNames,
  type ProfileName,
} from '../../../infra/local/embedded/harness-api/profiles.ts';
import { startHarnessApi } from '../../../infra/local/embedded/harness-api/server.ts';
import { call, harness, useHarness } from './harness-under-test.ts';

useHarness();

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
