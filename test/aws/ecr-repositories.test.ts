import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
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
import { account, type MotoServer, region, startMotoServer } from './moto-server.ts';
import { type Answer, startScriptedAws } from './scripted-aws.ts';

const host = `${account}.dkr.ecr.${region}.amazonaws.com`;
const key = `arn:aws:kms:${region}:${account}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;

(available('moto_server') ? describe : describe.skip)('a repository that is made', () => {
  let moto: MotoServer;
  let client: ECRClient;
  beforeAll(async () => {
    moto = await startMotoServer();
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

  it('is made as the deployment wants it', async () => {
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

  it('has nothing that was not asked for', async () => {
    expect(await new EcrRepositories(moto.config).ensure(host, 'plain')).toBe(true);
    expect(await described('plain')).toMatchObject({
      imageTagMutability: 'MUTABLE',
      encryptionConfiguration: { encryptionType: 'AES256' },
    });
    await expect(lifecycleOf('plain')).rejects.toThrow('Lifecycle policy does not exist');
  });

  it('by somebody else keeps its own settings, and is not taken for empty', async () => {
    await client.send(new CreateRepositoryCommand({ repositoryName: 'theirs' }));
    expect(await new EcrRepositories(moto.config, settings).ensure(host, 'theirs')).toBe(false);
    expect(await described('theirs')).toMatchObject({ imageTagMutability: 'MUTABLE' });
    await expect(lifecycleOf('theirs')).rejects.toThrow('Lifecycle policy does not exist');
  });

  it('in another account and region is made by the role of that account', async () => {
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

describe('a role', () => {
  const closing: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  it('is not assumed for registries of other accounts', async () => {
    const aws = await startScriptedAws(() => ({
      status: 200,
      body: {
        authorizationData: [
          { authorizationToken: Buffer.from('AWS:p').toString('base64'), expiresAt: Date.now() / 1000 + 43_200 },
        ],
      },
    }));
    const sts = await startScriptedAws(() => ({ status: 403, body: {} }));
    closing.push(
      () => aws.close(),
      () => sts.close(),
    );
    const roleArn = 'arn:aws:iam::999999999999:role/factory';
    const credentials = new EcrCredentials({ ...aws.config, roleArn, sts: sts.config });
    expect(await credentials.credentials(host)).toEqual({ username: 'AWS', password: 'p' });
    expect(aws.calls).toHaveLength(1);
  });
});

describe('advice on mounts', () => {
  let aws: Awaited<ReturnType<typeof startScriptedAws>> | undefined;
  afterEach(() => aws?.close());

  const advised = async (answer: Answer, registry = host) => {
    aws = await startScriptedAws(() => answer);
    const repositories = new EcrRepositories(aws.config);
    const advice = await Promise.all([repositories.adviceOnMounts(registry), repositories.adviceOnMounts(registry)]);
    return { advice: advice[0], calls: aws.calls };
  };

  it('names the command that allows them, where they are disabled, and asks once', async () => {
    const { advice, calls } = await advised({ status: 200, body: { name: 'BLOB_MOUNTING', value: 'DISABLED' } });
    expect(advice).toBe(`aws ecr put-account-setting --name BLOB_MOUNTING --value ENABLED --region ${region}`);
    expect(calls).toEqual([{ operation: 'GetAccountSetting', input: { name: 'BLOB_MOUNTING' } }]);
  });

  it.each<[string, Answer, string]>([
    ['they are enabled', { status: 200, body: { name: 'BLOB_MOUNTING', value: 'ENABLED' } }, host],
    ['nobody may ask', { status: 400, body: { __type: 'AccessDeniedException', message: 'no' } }, host],
    ['the registry is not ECR', { status: 500, body: {} }, 'registry.example'],
  ])('is not given where %s', async (_, answer, registry) => {
    expect((await advised(answer, registry)).advice).toBeUndefined();
  });
});
