import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { resolveTag } from '../../functions/oci/registry/manifests.ts';
import { lambdaRuntime } from '../../functions/lambda/runtime.ts';
import type { Runtime } from '../../functions/runtime/runtime.ts';
import { type EmbeddedHarnessApi, startHarnessApi } from '../../infra/local/embedded/harness-api/server.ts';
import { image, name, start, users } from '../oci/registry/guarded-registry.ts';
import { region } from './moto-server.ts';
import { startScriptedAws } from './scripted-aws.ts';
import { Repository } from '../../functions/oci/registry/repository.ts';

/** The runtime that one function keeps from call to call, while its secrets are corrected. */
describe('a warm function', () => {
  const secrets = { key: '', registries: '' };
  let aws: Awaited<ReturnType<typeof startScriptedAws>>;
  let harness: EmbeddedHarnessApi;
  let environment: { restore: () => void };
  let runtime: Runtime;

  beforeAll(async () => {
    aws = await startScriptedAws((_, input) => {
      const { SecretId } = input as { SecretId: keyof typeof secrets };
      return { status: 200, body: { SecretString: secrets[SecretId] } };
    });
    harness = await startHarnessApi();
    environment = jest.replaceProperty(process, 'env', {
      HARNESS_URL: harness.url,
      HARNESS_API_KEY_SECRET: 'key',
      REGISTRY_CREDENTIALS_SECRET: 'registries',
      STATE_BUCKET: 'state',
      AWS_ENDPOINT_URL_SECRETS_MANAGER: aws.config.endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    });
    runtime = lambdaRuntime();
  });
  beforeEach(() => {
    aws.calls.length = 0;
  });
  afterAll(async () => {
    await runtime.close();
    environment.restore();
    await Promise.all([aws.close(), harness.close()]);
  });

  it('reads the Harness key that was corrected after a refusal', async () => {
    const overrides = async () => (await runtime.harness()).overrides({ module: 'ci', infrastructureType: 'K8' });
    secrets.key = 'pat.another.token.wrong';
    await expect(overrides()).rejects.toMatchObject({ name: 'HarnessUnauthorized' });
    secrets.key = harness.apiKey;
    expect(await overrides()).toEqual({});
    expect(await overrides()).toEqual({});
    expect(aws.calls).toHaveLength(3);
  });

  const docker = (auths: object) => JSON.stringify({ auths });
  const login = (password: string) => ({ auth: Buffer.from(`ada:${password}`).toString('base64') });
  it.each([
    ['a wrong password', (host: string) => docker({ [host]: login('wr0ng') }), 'basic'],
    ['a wrong password at a token service', (host: string) => docker({ [host]: login('wr0ng') }), 'bearer'],
    ['no entry for the registry', () => docker({ 'other.example': login('horse') }), 'basic'],
    ['no JSON', () => 'hors', 'bearer'],
  ] as const)('reads the registry credentials that were corrected, after %s', async (_, wrong, kind) => {
    const { host } = await start({ kind, users });
    const source = new Repository(runtime.registry(host), name);
    secrets.registries = wrong(host);
    await expect(resolveTag(source, '1')).rejects.toMatchObject({
      name: expect.stringMatching(/Unauthorized|Invalid/),
    });
    secrets.registries = docker({ [host]: login('horse') });
    expect(await resolveTag(source, '1')).toBe(image.digest);
    const readings = aws.calls.length;
    expect(await resolveTag(source, '1')).toBe(image.digest);
    expect(aws.calls).toHaveLength(readings);
  });
});
