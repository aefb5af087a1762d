import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  CreateRepositoryCommand,
  DescribeRepositoriesCommand,
  ECRClient,
  GetLifecyclePolicyCommand,
  ListTagsForResourceCommand,
} from '@aws-sdk/client-ecr';
import { EcrCredentials } from '../../functions/aws/ecr.ts';
import { EcrRepositories, type RepositorySettings } from '../../functions/aws/ecr-repositories.ts';
import { available } from '../real-parts.ts';
import { account, type MotoServer, region } from './moto-server.ts';
import { shareMotoServer } from './shared-moto-server.ts';
import { type Answer, startScriptedAws } from './scripted-aws.ts';
import { startScriptedSts } from './scripted-sts.ts';

const host = `${account}.dkr.ecr.${region}.amazonaws.com`;
const key = `arn:aws:kms:${region}:${account}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;

(available('moto_server') ? describe : describe.skip)('a repository that is made', () => {
  let moto: MotoServer;
  let client: ECRClient;
  beforeAll(async () => {
    moto = await shareMotoServer();
    client = new ECRClient(moto.config);
  }, 60_000);
  afterAll(async () => {
    client?.destroy();
    await moto?.close();
  });

  const described = async (name: string, from = client) => {
    const { repositories = [] } = await from.send(new DescribeRepositoriesCommand({ repositoryNames: [name] }));
    return repositories[0];
  };
  const lifecycleOf = async (name: string) => {
    const { lifecyclePolicyText = '' } = await client.send(new GetLifecyclePolicyCommand({ repositoryName: name }));
    return JSON.parse(lifecyclePolicyText) as unknown;
  };
  const settings: RepositorySettings = {
    tagMutability: 'IMMUTABLE',
    kmsKey: key,
    keepVersions: 20,
    tags: { team: 'platform', cost: '' },
  };

  it('creates a repository with the settings of the deployment', async () => {
    expect(await new EcrRepositories(moto.config, settings).ensure(host, 'all/of-it')).toBe(true);
    const made = await described('all/of-it');
    expect(made).toMatchObject({
      imageTagMutability: 'IMMUTABLE',
      imageScanningConfiguration: { scanOnPush: true },
      encryptionConfiguration: { encryptionType: 'KMS', kmsKey: key },
    });
    const { tags } = await client.send(new ListTagsForResourceCommand({ resourceArn: made?.repositoryArn }));
    expect(tags).toEqual([
      { Key: 'team', Value: 'platform' },
      { Key: 'cost', Value: '' },
    ]);
    // What has no tag may be pinned by its digest.
    expect(await lifecycleOf('all/of-it')).toMatchObject({
      rules: [
        {
          selection: { tagStatus: 'tagged', tagPatternList: ['*'], countType: 'imageCountMoreThan', countNumber: 20 },
          action: { type: 'expire' },
        },
      ],
    });
  });

  it('creates a repository without optional settings', async () => {
    expect(await new EcrRepositories(moto.config).ensure(host, 'plain')).toBe(true);
    expect(await described('plain')).toMatchObject({
      imageTagMutability: 'MUTABLE',
      encryptionConfiguration: { encryptionType: 'AES256' },
    });
    await expect(lifecycleOf('plain')).rejects.toThrow('Lifecycle policy does not exist');
  });

  it('keeps the settings of an existing repository, and does not take it for empty', async () => {
    await client.send(new CreateRepositoryCommand({ repositoryName: 'theirs' }));
    expect(await new EcrRepositories(moto.config, settings).ensure(host, 'theirs')).toBe(false);
    expect(await described('theirs')).toMatchObject({ imageTagMutability: 'MUTABLE' });
    await expect(lifecycleOf('theirs')).rejects.toThrow('Lifecycle policy does not exist');
  });

  it('creates a repository in another account and region with the role of that account', async () => {
    const other = '999999999999';
    const there = `${other}.dkr.ecr.us-west-2.amazonaws.com`;
    const config = { ...moto.config, roleArn: `arn:aws:iam::${other}:role/factory`, sts: moto.config };
    expect(await new EcrRepositories(config).ensure(there, 'shared')).toBe(true);
    await expect(described('shared')).rejects.toThrow('does not exist');
    await expect(described('shared', new ECRClient({ ...moto.config, region: 'us-west-2' }))).rejects.toThrow();
    // Whom moto takes us for depends on the credentials: only the role's find it.
    expect(await new EcrRepositories(config).ensure(there, 'shared')).toBe(false);
  });
});

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function scripted(answer: (operation: string, input: unknown) => Answer) {
  const aws = await startScriptedAws(answer);
  closing.push(() => aws.close());
  return aws;
}

async function scriptedSts(answer: Parameters<typeof startScriptedSts>[0]) {
  const sts = await startScriptedSts(answer);
  closing.push(() => sts.close());
  return sts;
}

const ok: Answer = { status: 200, body: {} };
const refusal = (name: string): Answer => ({ status: 400, body: { __type: name, message: 'no' } });

describe('a lifecycle rule', () => {
  it('creates no repository when its lifecycle rule is denied', async () => {
    const { config, calls } = await scripted((operation) =>
      refusal(operation === 'DescribeRepositories' ? 'RepositoryNotFoundException' : 'AccessDeniedException'),
    );
    await expect(new EcrRepositories(config, { keepVersions: 20 }).ensure(host, 'r')).rejects.toMatchObject({
      name: 'RegistryForbidden',
      hint: expect.stringContaining('ecr:PutLifecyclePolicy'),
    });
    expect(calls.map(({ operation }) => operation)).not.toContain('CreateRepository');
  });

  it('retries the lifecycle rule of a new repository while ECR is busy', async () => {
    let made = false;
    let busy = 4;
    const { config, calls } = await scripted((operation) => {
      if (operation === 'CreateRepository') made = true;
      else if (!made) return refusal('RepositoryNotFoundException');
      else if (busy-- > 0) return { status: 500, body: { __type: 'ServerException', message: 'busy' } };
      return ok;
    });
    const { maxAttempts: _, ...attempts } = config;
    expect(await new EcrRepositories(attempts, { keepVersions: 20 }).ensure(host, 'r')).toBe(true);
    expect(calls.at(-1)).toMatchObject({ operation: 'PutLifecyclePolicy', input: { repositoryName: 'r' } });
    expect(busy).toBe(-1);
  });

  it('fails when the lifecycle rule of a new repository cannot be set', async () => {
    const { config } = await scripted((operation) =>
      operation === 'CreateRepository' ? ok : refusal('RepositoryNotFoundException'),
    );
    await expect(new EcrRepositories(config, { keepVersions: 20 }).ensure(host, 'r')).rejects.toMatchObject({
      message: expect.stringContaining('set the lifecycle rule of'),
    });
  });
});

describe('a repository', () => {
  const denied = refusal('AccessDeniedException');

  it('creates a repository without the permission to describe it', async () => {
    const { config, calls } = await scripted((operation) => (operation === 'CreateRepository' ? ok : denied));
    expect(await new EcrRepositories(config).ensure(host, 'r')).toBe(true);
    expect(calls.map(({ operation }) => operation)).toEqual(['DescribeRepositories', 'CreateRepository']);
  });

  it('keeps the lifecycle rule of an existing repository that the role may not describe', async () => {
    const { config, calls } = await scripted((operation) =>
      operation === 'CreateRepository' ? refusal('RepositoryAlreadyExistsException') : denied,
    );
    expect(await new EcrRepositories(config, { keepVersions: 20 }).ensure(host, 'r')).toBe(false);
    expect(calls.map(({ operation }) => operation)).not.toContain('PutLifecyclePolicy');
  });

  it('throws RegistryForbidden when a repository may be neither described nor created', async () => {
    const { config } = await scripted(() => denied);
    await expect(new EcrRepositories(config).ensure(host, 'r')).rejects.toMatchObject({
      name: 'RegistryForbidden',
      hint: expect.stringContaining('ecr:CreateRepository'),
    });
  });

  it('sends no request when repositories are not to be created', async () => {
    const { config, calls } = await scripted(() => ok);
    expect(await new EcrRepositories(config, { create: false }).ensure(host, 'r')).toBe(false);
    expect(calls).toEqual([]);
  });

  it('leaves tags out of its immutability', async () => {
    const { config, calls } = await scripted((operation) =>
      operation === 'CreateRepository' ? ok : refusal('RepositoryNotFoundException'),
    );
    const settings: RepositorySettings = {
      tagMutability: 'IMMUTABLE_WITH_EXCLUSION',
      mutabilityExclusions: ['latest*', '*-rc*'],
    };
    await new EcrRepositories(config, settings).ensure(host, 'r');
    expect(calls.at(-1)?.input).toMatchObject({
      imageTagMutability: 'IMMUTABLE_WITH_EXCLUSION',
      imageTagMutabilityExclusionFilters: [
        { filterType: 'WILDCARD', filter: 'latest*' },
        { filterType: 'WILDCARD', filter: '*-rc*' },
      ],
    });
  });
});

describe('a role', () => {
  const roleArn = 'arn:aws:iam::999999999999:role/factory';
  const there = `999999999999.dkr.ecr.${region}.amazonaws.com`;
  const token: Answer = {
    status: 200,
    body: {
      authorizationData: [
        { authorizationToken: Buffer.from('AWS:p').toString('base64'), expiresAt: Date.now() / 1000 + 43_200 },
      ],
    },
  };
  /** An ECR that is asked with the role's credentials, where it assumes one. */
  const ecrAs = async (sts: Awaited<ReturnType<typeof scriptedSts>>, more: object = {}) => {
    const aws = await scripted(() => token);
    return { aws, ecr: new EcrCredentials({ ...aws.config, roleArn, sts: sts.config, ...more }) };
  };

  it('does not assume the role for registries of other accounts', async () => {
    const sts = await scriptedSts(() => ({ status: 403, code: 'AccessDenied' }));
    const { aws, ecr } = await ecrAs(sts);
    expect(await ecr.credentials(host)).toEqual({ username: 'AWS', password: 'p' });
    expect(aws.calls).toHaveLength(1);
    expect(sts.calls).toEqual([]);
  });

  it.each([[undefined], ['{"Version":"2012-10-17","Statement":[]}']])(
    'assumes the role for registries of its own account, in a session narrowed to %s',
    async (sessionPolicy) => {
      const sts = await scriptedSts(() => ({ sessionOf: 'ASIAROLE' }));
      const { ecr } = await ecrAs(sts, { sessionPolicy });
      expect(await ecr.credentials(there)).toEqual({ username: 'AWS', password: 'p' });
      expect(sts.calls).toHaveLength(1);
      expect(sts.calls[0]).toMatchObject({ Action: 'AssumeRole', RoleArn: roleArn });
      expect(sts.calls[0]?.['Policy']).toBe(sessionPolicy);
    },
  );

  it('restricts the role session on Lambda to the session policy of the function', async () => {
    const sts = await scriptedSts(() => ({ status: 403, code: 'AccessDenied' }));
    const environment = jest.replaceProperty(process, 'env', {
      HARNESS_API_KEY: 'pat.account.id.key',
      STATE_BUCKET: 'state',
      ECR_ROLE_ARN: roleArn,
      ECR_SESSION_POLICY: '{"Statement":[]}',
      AWS_ENDPOINT_URL_STS: sts.config.endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    });
    try {
      const { lambdaRuntime } = await import('../../functions/lambda/runtime.ts');
      const runtime = lambdaRuntime();
      await expect(runtime.repositories.ensure(there, 'r')).rejects.toMatchObject({ name: 'RegistryForbidden' });
      expect(sts.calls).toMatchObject([{ RoleArn: roleArn, Policy: '{"Statement":[]}' }]);
      await runtime.close();
    } finally {
      environment.restore();
    }
  });

  it.each([
    ['AccessDenied', 403, 'RegistryForbidden', /sts:AssumeRole.*trust policy/],
    ['Throttling', 400, 'RegistryThrottled', /max_concurrency/],
    ['ExpiredToken', 403, 'RegistryUnauthorized', /credentials/],
    ['InvalidClientTokenId', 403, 'RegistryUnauthorized', /credentials/],
  ])('names a role that cannot be assumed for %s, with the cure', async (code, status, name, hint) => {
    const sts = await scriptedSts(() => ({ status, code }));
    const { aws, ecr } = await ecrAs(sts);
    await expect(ecr.credentials(there)).rejects.toMatchObject({
      name,
      message: `cannot assume ${roleArn}: ${code}: no`,
      hint: expect.stringMatching(hint),
    });
    expect(aws.calls).toEqual([]);
  });
});

describe('advice on mounts', () => {
  const setting = (value: string): Answer => ({ status: 200, body: { name: 'BLOB_MOUNTING', value } });
  const command = `aws ecr put-account-setting --name BLOB_MOUNTING --value ENABLED --region ${region}`;

  it('names the command that allows them, where they are disabled in the account that asks', async () => {
    const { config, calls } = await scripted(() => setting('DISABLED'));
    const sts = await scriptedSts(() => ({ account }));
    expect(await new EcrRepositories({ ...config, sts: sts.config }).adviceOnMounts(host)).toBe(command);
    expect(calls).toEqual([{ operation: 'GetAccountSetting', input: { name: 'BLOB_MOUNTING' } }]);
    expect(sts.calls).toMatchObject([{ Action: 'GetCallerIdentity' }]);
  });

  it('gives no advice on mounts for a registry of another account', async () => {
    const { config } = await scripted(() => setting('DISABLED'));
    const sts = await scriptedSts(() => ({ account: '111111111111' }));
    expect(await new EcrRepositories({ ...config, sts: sts.config }).adviceOnMounts(host)).toBeUndefined();
  });

  it('gives advice on mounts for the registry of the assumed role without asking for the account', async () => {
    const { config } = await scripted(() => setting('DISABLED'));
    const sts = await scriptedSts(() => ({ sessionOf: 'ASIAROLE' }));
    const roleArn = `arn:aws:iam::${account}:role/factory`;
    expect(await new EcrRepositories({ ...config, roleArn, sts: sts.config }).adviceOnMounts(host)).toBe(command);
    expect(sts.calls.map(({ Action }) => Action)).toEqual(['AssumeRole']);
  });

  it('ends when it was followed, in a process that gave it', async () => {
    let value = 'DISABLED';
    const { config } = await scripted(() => setting(value));
    const sts = await scriptedSts(() => ({ account }));
    const repositories = new EcrRepositories({ ...config, sts: sts.config });
    expect(await repositories.adviceOnMounts(host)).toBe(command);
    value = 'ENABLED';
    expect(await repositories.adviceOnMounts(host)).toBeUndefined();
  });

  it.each<[string, Answer, string]>([
    ['they are enabled', setting('ENABLED'), host],
    ['nobody may ask', refusal('AccessDeniedException'), host],
    ['the registry is not ECR', { status: 500, body: {} }, 'registry.example'],
  ])('gives no advice on mounts where %s', async (_, answer, registry) => {
    const { config } = await scripted(() => answer);
    const sts = await scriptedSts(() => ({ account }));
    expect(await new EcrRepositories({ ...config, sts: sts.config }).adviceOnMounts(registry)).toBeUndefined();
    expect(sts.calls).toEqual([]);
  });
});
