import { CreateSecretCommand, GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { emptyAccount } from '../../infra/local/embedded/harness-api/state.ts';
import { account, type MotoServer, region } from '../aws/moto-server.ts';
import { shareMotoServer } from '../aws/shared-moto-server.ts';
import { available } from '../real-parts.ts';
import { startSetting } from './factory-command.ts';

const host = `${account}.dkr.ecr.${region}.amazonaws.com`;
const password = `${account}-auth-token`;
const text = { type: 'SecretText', name: 'ECR password', identifier: 'ecr' };
const spec = { secretManagerIdentifier: 'harnessSecretManager', valueType: 'Inline', value: 'old' } as const;

(available('moto_server') ? describe : describe.skip)('refresh-token', () => {
  let moto: MotoServer;
  let setting: Awaited<ReturnType<typeof startSetting>>;
  let environment: Record<string, string>;

  beforeAll(async () => {
    moto = await shareMotoServer();
    setting = await startSetting();
    const { accessKeyId, secretAccessKey } = moto.config.credentials;
    environment = {
      REGISTRY_NAME: `${host}/mirror`,
      ECR_TOKEN_SECRET: 'account.ecr',
      AWS_ENDPOINT_URL: moto.config.endpoint,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    };
  }, 60_000);
  beforeEach(() => {
    setting.harness.state[setting.harness.accountId] = { ...emptyAccount(), secrets: [{ ...text, spec: { ...spec } }] };
  });
  afterAll(async () => {
    await setting?.close();
    await moto?.close();
  });

  /** Runs the command where its process is not the point. */
  const run = async (args: string[] = [], more: Record<string, string> = {}) => {
    const result = await setting.hosted(['refresh-token', ...args], { ...environment, ...more });
    expect(result.stdout + result.stderr).not.toContain(password);
    return result;
  };
  const stored = () => setting.harness.state[setting.harness.accountId]?.secrets[0]?.spec.value;

  it('stores a new password in the Harness secret, and exits with 0', async () => {
    const { code, stdout, stderr } = await setting.factory(['refresh-token'], { environment });
    expect(stdout + stderr).not.toContain(password);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /^refresh-token: SUCCEEDED \(the secret account\.ecr holds a new password of \S+, valid until /,
    );
    expect(stored()).toBe(password);
  });

  it('prints one JSON document with --json', async () => {
    const { code, stdout } = await run(['--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      status: 'SUCCEEDED',
      action: 'refresh-token',
      registry: host,
      secret: 'account.ecr',
      expiresAt: expect.stringMatching(/Z$/),
    });
  });

  it('stores it in Secrets Manager without a Harness API key', async () => {
    const client = new SecretsManagerClient(moto.config);
    const { ARN = '' } = await client.send(new CreateSecretCommand({ Name: 'ecr-password', SecretString: 'old' }));
    expect(await run([], { ECR_TOKEN_SECRET: ARN, HARNESS_API_KEY: '', HARNESS_URL: '' })).toMatchObject({ code: 0 });
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: ARN }));
    client.destroy();
    expect(SecretString).toBe(password);
  });

  it('exits with 2 when the secret or the registry does not fit, and changes nothing', async () => {
    const missing = await run([], { ECR_TOKEN_SECRET: 'account.other' });
    expect(missing).toMatchObject({ code: 2, stdout: '' });
    expect(missing.stderr).toContain('the Harness secret account.other of ECR_TOKEN_SECRET does not exist');
    const unset = await run(['--json'], { ECR_TOKEN_SECRET: '', REGISTRY_NAME: 'registry.example.com/harness' });
    expect(unset.code).toBe(2);
    expect(JSON.parse(unset.stdout)).toMatchObject({
      status: 'FAILED',
      action: 'refresh-token',
      error: { name: 'InvalidConfiguration', problems: [{ path: 'ECR_TOKEN_SECRET', found: 'nothing' }] },
    });
    expect(stored()).toBe('old');
  });

  it('exits with 1 when Harness denies the update', async () => {
    setting.harness.quirks.policyDeniesSecrets = true;
    const { code, stderr } = await run();
    setting.harness.quirks.policyDeniesSecrets = false;
    expect(code).toBe(1);
    expect(stderr).toContain('HarnessRejected: cannot update the secret ecr: a policy of the account denied it');
    expect(stored()).toBe('old');
  });

  it('has a help text', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('store a new ECR password in the secret that ECR_TOKEN_SECRET names');
    expect(stdout).toContain('--json');
  });
});
