import {
  CreateSecretCommand,
  GetSecretValueCommand,
  SecretsManagerClient,
  ListSecretVersionIdsCommand,
} from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { refreshToken } from '../../functions/ecr-token/ecr-token.ts';
import { FactoryError } from '../../functions/errors.ts';
import { parseEcrTokenSettings } from '../../functions/settings/ecr-token-settings.ts';
import type { Environment } from '../../functions/settings/configuration.ts';
import { defaultQuirks } from '../../infra/local/embedded/harness-api/quirks.ts';
import { startHarnessApi, type EmbeddedHarnessApi } from '../../infra/local/embedded/harness-api/server.ts';
import { emptyAccount, type SecretDocument } from '../../infra/local/embedded/harness-api/state.ts';
import { account, type MotoServer, region } from '../aws/moto-server.ts';
import { shareMotoServer } from '../aws/shared-moto-server.ts';
import { startJsonServer } from '../harness/json-server.ts';
import { available } from '../real-parts.ts';
import { setEnvironment } from '../process-environment.ts';

const host = `${account}.dkr.ecr.${region}.amazonaws.com`;
/** moto's password for a registry. */
const passwordOf = (owner: string) => `${owner}-auth-token`;
const password = passwordOf(account);
const secret: SecretDocument = {
  type: 'SecretText',
  name: 'ECR password',
  identifier: 'ecr',
  tags: { owner: 'platform' },
  spec: { secretManagerIdentifier: 'harnessSecretManager', valueType: 'Inline', value: 'old' },
};

(available('moto_server') ? describe : describe.skip)('the refresh of the ECR password', () => {
  let moto: MotoServer;
  let harness: EmbeddedHarnessApi;
  let secrets: SecretsManagerClient;
  const before = { ...process.env };

  beforeAll(async () => {
    moto = await shareMotoServer();
    harness = await startHarnessApi();
    secrets = new SecretsManagerClient(moto.config);
    const { accessKeyId, secretAccessKey } = moto.config.credentials;
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: moto.config.endpoint,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    });
  }, 60_000);
  beforeEach(() => {
    harness.state[harness.accountId] = { ...emptyAccount(), secrets: [structuredClone(secret)] };
    harness.requests.length = 0;
    Object.assign(harness.quirks, defaultQuirks());
  });
  afterAll(async () => {
    setEnvironment(before);
    secrets?.destroy();
    await harness?.close();
    await moto?.close();
  });

  const stored = () => harness.state[harness.accountId]?.secrets ?? [];
  const writes = () => harness.requests.filter(({ method }) => method !== 'GET');
  const refresh = async (environment: Environment) => {
    const settings = parseEcrTokenSettings({
      HARNESS_URL: harness.url,
      HARNESS_API_KEY: harness.apiKey,
      REGISTRY_NAME: `${host}/mirror`,
      ...environment,
    });
    const { harnessApiKey = '', ecrRoleArn } = settings.configuration;
    return refreshToken(settings, { harnessApiKey: async () => harnessApiKey, ecr: { roleArn: ecrRoleArn } });
  };

  describe('in a Harness text secret', () => {
    it('replaces the value alone', async () => {
      const refreshed = await refresh({ ECR_TOKEN_SECRET: 'account.ecr' });
      expect(refreshed).toEqual({ registry: host, secret: 'account.ecr', expiresAt: expect.stringMatching(/Z$/) });
      expect(stored()).toEqual([{ ...secret, spec: { ...secret.spec, value: password } }]);
      expect(harness.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
        'GET /gateway/ng/api/v2/secrets/ecr',
        'PUT /gateway/ng/api/v2/secrets/ecr',
      ]);
    });

    it.each([
      ['org.ecr', { orgIdentifier: 'default' }],
      ['ecr', { orgIdentifier: 'default', projectIdentifier: 'ci' }],
    ])('finds %s in its scope', async (reference, scope) => {
      const scoped = { ...secret, ...scope };
      harness.state[harness.accountId] = { ...emptyAccount(), secrets: structuredClone([secret, scoped]) };
      await refresh({ ECR_TOKEN_SECRET: reference, ORG_ID: 'default', PROJECT_ID: 'ci' });
      expect(stored().map(({ spec }) => spec.value)).toEqual(['old', password]);
    });

    it('stores the password of the registry that REGISTRY_NAME names, in its account and region', async () => {
      const other = '999999999999.dkr.ecr.us-west-2.amazonaws.com';
      expect(await refresh({ ECR_TOKEN_SECRET: 'account.ecr', REGISTRY_NAME: other })).toMatchObject({
        registry: other,
      });
      expect(stored()[0]?.spec.value).toBe(passwordOf('999999999999'));
    });

    it.each<[string, Partial<SecretDocument>, string]>([
      ['does not exist', { identifier: 'other' }, 'does not exist'],
      ['is a file', { type: 'SecretFile' }, 'is of type SecretFile'],
      [
        'refers to a secret manager',
        { spec: { secretManagerIdentifier: 'account.aws', valueType: 'Reference', value: 'ecr-password' } },
        'has a value of type Reference, not Inline',
      ],
    ])('refuses a secret that %s, and writes nothing', async (_, change, message) => {
      harness.state[harness.accountId] = { ...emptyAccount(), secrets: [{ ...structuredClone(secret), ...change }] };
      const before = structuredClone(stored());
      await expect(refresh({ ECR_TOKEN_SECRET: 'account.ecr' })).rejects.toMatchObject({
        name: 'InvalidConfiguration',
        message: `the Harness secret account.ecr of ECR_TOKEN_SECRET ${message}`,
        hint: expect.any(String),
      });
      expect(stored()).toEqual(before);
      expect(writes()).toEqual([]);
    });

    it('fails when a policy denies the update, although Harness responds with HTTP 200', async () => {
      harness.quirks.policyDeniesSecrets = true;
      await expect(refresh({ ECR_TOKEN_SECRET: 'account.ecr' })).rejects.toMatchObject({ name: 'HarnessRejected' });
      expect(stored()).toEqual([secret]);
    });

    it('never shows the password, even if Harness echoes it', async () => {
      const echo = await startJsonServer((method, sent) =>
        method === 'GET'
          ? { status: 200, body: { status: 'SUCCESS', data: { secret } } }
          : { status: 400, body: { status: 'ERROR', code: 'INVALID_REQUEST', message: `bad: ${sent}` } },
      );
      const failed = { ECR_TOKEN_SECRET: 'account.ecr', HARNESS_URL: echo.url };
      const error: unknown = await refresh(failed).catch((thrown: unknown) => thrown);
      await echo.close();
      expect(error).toMatchObject({ name: 'HarnessRejected', message: expect.stringContaining('***') });
      const shown = `${JSON.stringify(error)} ${(error as FactoryError).stack}`;
      expect(shown).toContain('INVALID_REQUEST');
      expect(shown).not.toContain(password);
      expect(shown).not.toContain(Buffer.from(`AWS:${password}`).toString('base64'));
    });
  });

  describe('in a secret of Secrets Manager', () => {
    let created = 0;
    const create = async () => {
      const { ARN = '' } = await secrets.send(
        new CreateSecretCommand({ Name: `ecr-password-${++created}`, SecretString: 'old' }),
      );
      return ARN;
    };

    it('replaces the value, and needs nothing of Harness', async () => {
      const arn = await create();
      const refreshed = await refresh({ ECR_TOKEN_SECRET: arn, HARNESS_API_KEY: undefined, HARNESS_URL: undefined });
      expect(refreshed).toMatchObject({ registry: host, secret: arn });
      const { SecretString } = await secrets.send(new GetSecretValueCommand({ SecretId: arn }));
      expect(SecretString).toBe(password);
      expect(harness.requests).toEqual([]);
      const { Versions } = await secrets.send(new ListSecretVersionIdsCommand({ SecretId: arn }));
      expect(Versions?.flatMap(({ VersionStages }) => VersionStages).toSorted()).toEqual(['AWSCURRENT', 'AWSPREVIOUS']);
    });

    it('writes to the region of the ARN', async () => {
      const elsewhere = new SecretsManagerClient({ ...moto.config, region: 'us-west-2' });
      const { ARN: arn = '' } = await elsewhere.send(new CreateSecretCommand({ Name: 'west', SecretString: 'old' }));
      await refresh({ ECR_TOKEN_SECRET: arn });
      const { SecretString } = await elsewhere.send(new GetSecretValueCommand({ SecretId: arn }));
      elsewhere.destroy();
      expect(SecretString).toBe(password);
    });

    it('names a missing secret and its region', async () => {
      const arn = `arn:aws:secretsmanager:us-west-2:${account}:secret:missing-a1B2c3`;
      await expect(refresh({ ECR_TOKEN_SECRET: arn })).rejects.toMatchObject({
        name: 'InvalidConfiguration',
        message: expect.stringContaining(`cannot write the secret ${arn}: ResourceNotFoundException`),
        hint: expect.stringContaining('us-west-2'),
      });
    });
  });
});
