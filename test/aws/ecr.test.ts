import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  BatchGetImageCommand,
  DescribeImagesCommand,
  DescribeRepositoriesCommand,
  ECRClient,
  PutImageCommand,
  CreateRepositoryCommand,
} from '@aws-sdk/client-ecr';
import { EcrCredentials } from '../../functions/aws/ecr.ts';
import { parseEcrHost } from '../../functions/oci/registry/ecr-host.ts';
import { EcrRepositories } from '../../functions/aws/ecr-repositories.ts';
import { profileOf } from '../../functions/oci/registry/profile.ts';
import { available } from '../real-parts.ts';
import { account, type MotoServer, region } from './moto-server.ts';
import { shareMotoServer } from './shared-moto-server.ts';
import { type Answer, startScriptedAws } from './scripted-aws.ts';

const host = `${account}.dkr.ecr.${region}.amazonaws.com`;

describe('the host name of a private ECR registry', () => {
  it.each([
    ['123456789012.dkr.ecr.us-east-1.amazonaws.com', 'us-east-1', false, false],
    ['123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com', 'us-gov-west-1', true, false],
    ['123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn', 'cn-north-1', false, false],
    ['123456789012.dkr-ecr.eu-central-1.on.aws', 'eu-central-1', false, true],
    ['123456789012.dkr-ecr-fips.us-east-2.on.aws', 'us-east-2', true, true],
    ['123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn', 'cn-north-1', false, true],
    ['123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu', 'eusc-de-east-1', false, false],
    ['123456789012.dkr-ecr.eusc-de-east-1.on.amazonwebservices.eu', 'eusc-de-east-1', false, true],
    ['123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov', 'us-iso-east-1', false, false],
    ['123456789012.dkr.ecr-fips.us-isob-east-1.sc2s.sgov.gov', 'us-isob-east-1', true, false],
    ['123456789012.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk', 'eu-isoe-west-1', false, false],
    ['123456789012.dkr.ecr.us-isof-south-1.csp.hci.ic.gov', 'us-isof-south-1', false, false],
    ['123456789012.DKR.ECR.us-east-1.AmazonAWS.com', 'us-east-1', false, false],
  ])('%s is recognised', (name, itsRegion, fips, dualStack) => {
    expect(parseEcrHost(name)).toEqual({ accountId: '123456789012', region: itsRegion, fips, dualStack });
    expect(profileOf(name.toLowerCase()).name).toBe('ecr');
  });

  it.each([
    'public.ecr.aws',
    'ecr-public.aws.com',
    'docker.io',
    '12345.dkr.ecr.us-east-1.amazonaws.com',
    '123456789012.dkr.ecr.us-east-1.amazonaws.com.evil.example',
    'evil.example.123456789012.dkr.ecr.us-east-1.amazonaws.com',
    '123456789012.dkr.ecr.us-east-1.on.aws',
    '123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov.evil.example',
    '123456789012.dkr.ecr.us-iso-east-1.c2sxic.gov',
    '123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu.evil.example',
    '123456789012.dkr-ecr.us-east-1.amazonaws.com',
    '123456789012.dkr.ecr.evil.example/.amazonaws.com',
    '123456789012xdkr.ecr.us-east-1.amazonaws.com',
  ])('%s is not', (name) => {
    expect(parseEcrHost(name)).toBeUndefined();
    expect(profileOf(name).name).not.toBe('ecr');
  });
});

(available('moto_server') ? describe : describe.skip)('ECR as moto has it', () => {
  let moto: MotoServer;
  let client: ECRClient;
  let repositories: EcrRepositories;

  beforeAll(async () => {
    moto = await shareMotoServer();
    client = new ECRClient(moto.config);
    repositories = new EcrRepositories(moto.config);
  }, 60_000);
  afterAll(async () => {
    client?.destroy();
    await moto?.close();
  });

  it('hands out the password of the account that the host names', async () => {
    const credentials = new EcrCredentials(moto.config);
    expect(await credentials.credentials(host)).toEqual({ username: 'AWS', password: `${account}-auth-token` });
    expect(await credentials.credentials(host.replace(account, '999999999999'))).toMatchObject({
      password: '999999999999-auth-token',
    });
  });

  it('creates a missing repository that is scanned on push, in the region of the host', async () => {
    await repositories.ensure(host, 'mirror/harness/ci-addon');
    const { repositories: found } = await client.send(
      new DescribeRepositoriesCommand({ repositoryNames: ['mirror/harness/ci-addon'] }),
    );
    expect(found).toMatchObject([
      { repositoryUri: `${host}/mirror/harness/ci-addon`, imageScanningConfiguration: { scanOnPush: true } },
    ]);
  });

  it('leaves a repository that is there as it is, however often it is asked', async () => {
    await client.send(new CreateRepositoryCommand({ repositoryName: 'kept', imageTagMutability: 'IMMUTABLE' }));
    await Promise.all([repositories.ensure(host, 'kept'), repositories.ensure(host, 'kept')]);
    const { repositories: found } = await client.send(new DescribeRepositoriesCommand({ repositoryNames: ['kept'] }));
    expect(found).toMatchObject([
      { imageTagMutability: 'IMMUTABLE', imageScanningConfiguration: { scanOnPush: false } },
    ]);
  });

  it('lets concurrent copies create the same repository', async () => {
    await Promise.all(Array.from({ length: 8 }, async () => repositories.ensure(host, 'raced')));
    await repositories.ensure(host, 'raced');
  });

  const push = async (repositoryName: string, imageTag: string) => {
    // moto takes the digests of the layers for the digest of the image.
    const layers = [{ digest: `sha256:${createHash('sha256').update(imageTag).digest('hex')}` }];
    const manifest = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', layers };
    const { image } = await client.send(
      new PutImageCommand({ repositoryName, imageTag, imageManifest: JSON.stringify(manifest) }),
    );
    return image?.imageId?.imageDigest ?? '';
  };
  const manifestOf = async (repositoryName: string, imageTag: string) => {
    const { images = [] } = await client.send(new BatchGetImageCommand({ repositoryName, imageIds: [{ imageTag }] }));
    return images[0]?.imageManifest;
  };
  const digestsIn = async (repositoryName: string) => {
    const { imageDetails = [] } = await client.send(new DescribeImagesCommand({ repositoryName }));
    return imageDetails.map(({ imageDigest }) => imageDigest);
  };

  it('deletes the images named by digest and no other', async () => {
    await repositories.ensure(host, 'pruned');
    const stale = [await push('pruned', '1.0'), await push('pruned', '1.1')];
    const current = await push('pruned', '1.2');
    await repositories.deleteImages(host, 'pruned', stale);
    expect(await digestsIn('pruned')).toEqual([current]);
  });

  it('deletes a tag alone while another tag has its image, and lists those that are left', async () => {
    await repositories.ensure(host, 'shared');
    const digest = await push('shared', '1.0');
    const imageManifest = await manifestOf('shared', '1.0');
    await client.send(new PutImageCommand({ repositoryName: 'shared', imageTag: '2.0', imageManifest }));
    expect(await repositories.tags(host, 'shared')).toEqual(new Map([['1.0', digest], ['2.0', digest]])); // prettier-ignore
    expect(await repositories.deleteImages(host, 'shared', ['1.0'])).toEqual(new Map());
    expect(await repositories.tags(host, 'shared')).toEqual(new Map([['2.0', digest]]));
    expect(await repositories.tags(host, 'never-made')).toEqual(new Map());
    expect(await repositories.tags('registry.example', 'x')).toBeUndefined();
  });

  it('takes images and repositories that are gone already for deleted', async () => {
    await repositories.ensure(host, 'empty');
    await repositories.deleteImages(host, 'empty', [`sha256:${'0'.repeat(64)}`]);
    await repositories.deleteImages(host, 'never-made', [`sha256:${'0'.repeat(64)}`]);
  });

  it('says which image it could not delete', async () => {
    await repositories.ensure(host, 'fussy');
    await expect(repositories.deleteImages(host, 'fussy', ['sha256:short'])).rejects.toMatchObject({
      name: 'RegistryFailed',
      message: expect.stringMatching(/fussy: .*sha256:short InvalidImageDigest/),
    });
  });

  it('leaves other registries alone, and says so', async () => {
    await repositories.ensure('registry.example', 'x');
    expect(await repositories.deleteImages('registry.example', 'x', [`sha256:${'0'.repeat(64)}`])).toBe(false);
    expect(await repositories.deleteImages(host, 'x', [])).toEqual(new Map());
    const { repositories: found = [] } = await client.send(new DescribeRepositoriesCommand());
    expect(found.map(({ repositoryName }) => repositoryName)).not.toContain('x');
  });
});

describe('ECR as a test scripts it', () => {
  let aws: Awaited<ReturnType<typeof startScriptedAws>> | undefined;
  const script = async (answer: (operation: string, input: unknown) => Answer) =>
    (aws = await startScriptedAws(answer));
  afterEach(async () => {
    await aws?.close();
    aws = undefined;
  });

  const hour = 3600;
  const token = (password: string, hoursLeft: number): Answer => ({
    status: 200,
    body: {
      authorizationData: [
        {
          authorizationToken: Buffer.from(`AWS:${password}`).toString('base64'),
          expiresAt: Date.now() / 1000 + hoursLeft * hour,
        },
      ],
    },
  });
  const refusal = (name: string): Answer => ({ status: 400, body: { __type: name, message: 'no' } });

  it('asks once for a token, also when asked by many at once', async () => {
    const { config, calls } = await script(() => token('p', 12));
    const ecr = new EcrCredentials(config);
    const first = await Promise.all(Array.from({ length: 10 }, async () => ecr.credentials(host)));
    expect(new Set(first.map((c) => c?.password))).toEqual(new Set(['p']));
    expect(await ecr.credentials(host)).toEqual({ username: 'AWS', password: 'p' });
    expect(calls).toEqual([{ operation: 'GetAuthorizationToken', input: { registryIds: [account] } }]);
  });

  it('asks for a new token in the last hour of the old', async () => {
    let asked = 0;
    const { config } = await script(() => token(`p${++asked}`, asked === 1 ? 0.99 : 1.01));
    const ecr = new EcrCredentials(config);
    const passwords = [];
    for (let i = 0; i < 3; i++) passwords.push((await ecr.credentials(host))?.password);
    expect(passwords).toEqual(['p1', 'p2', 'p2']);
  });

  it('asks nobody about a host that is no ECR registry', async () => {
    const { config, calls } = await script(() => token('p', 12));
    expect(await new EcrCredentials(config).credentials('registry-1.docker.io')).toBeUndefined();
    expect(calls).toEqual([]);
  });

  it('requests a token again after a failure', async () => {
    let asked = 0;
    const { config } = await script(() => (++asked === 1 ? refusal('ThrottlingException') : token('p', 12)));
    const ecr = new EcrCredentials(config);
    await expect(ecr.credentials(host)).rejects.toMatchObject({ name: 'RegistryThrottled' });
    expect(await ecr.credentials(host)).toMatchObject({ password: 'p' });
  });

  it.each([
    ['AccessDeniedException', 'RegistryForbidden', 'ecr:GetAuthorizationToken'],
    ['ExpiredTokenException', 'RegistryUnauthorized', 'credentials'],
    ['ServerException', 'RegistryFailed', 'API reference'],
  ])('reports %s as %s', async (code, name, hint) => {
    const { config } = await script(() => refusal(code));
    await expect(new EcrCredentials(config).credentials(host)).rejects.toMatchObject({
      name,
      message: expect.stringContaining(host),
      hint: expect.stringContaining(hint),
    });
  });

  it('reports an endpoint that cannot be reached', async () => {
    const requestHandler = { handle: () => Promise.reject(Object.assign(new Error(), { code: 'ECONNREFUSED' })) };
    const ecr = new EcrCredentials({
      endpoint: 'http://127.0.0.1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      maxAttempts: 1,
      requestHandler,
    });
    await expect(ecr.credentials(host)).rejects.toMatchObject({
      name: 'RegistryUnreachable',
      message: expect.stringContaining('connection refused'),
    });
  });

  it('names the permission to create repositories when it is missing', async () => {
    const { config } = await script((operation) =>
      refusal(operation === 'DescribeRepositories' ? 'RepositoryNotFoundException' : 'AccessDeniedException'),
    );
    await expect(new EcrRepositories(config).ensure(host, 'r')).rejects.toMatchObject({
      name: 'RegistryForbidden',
      hint: expect.stringContaining('ecr:CreateRepository'),
    });
  });

  it('needs no permission to create repositories that are there', async () => {
    const { config, calls } = await script(() => ({ status: 200, body: { repositories: [{}] } }));
    await new EcrRepositories(config).ensure(host, 'r');
    expect(calls.map((call) => call.operation)).toEqual(['DescribeRepositories']);
  });

  it('accepts a repository that another copy created first', async () => {
    const { config, calls } = await script((operation) =>
      refusal(
        operation === 'DescribeRepositories' ? 'RepositoryNotFoundException' : 'RepositoryAlreadyExistsException',
      ),
    );
    await new EcrRepositories(config).ensure(host, 'r');
    expect(calls.map((call) => call.operation)).toEqual(['DescribeRepositories', 'CreateRepository']);
  });

  it('says which images ECR keeps because an index refers to them, and deletes the others', async () => {
    const [child, other] = ['a', 'b'].map((letter) => `sha256:${letter.repeat(64)}`);
    const failureReason = 'the image is referenced by a manifest list';
    const refused = { imageId: { imageDigest: child }, failureCode: 'ImageReferencedByManifestList', failureReason };
    const { config, calls } = await script(() => ({ status: 200, body: { failures: [refused] } }));
    const kept = await new EcrRepositories(config).deleteImages(host, 'r', [child ?? '', other ?? '', '1.0']);
    expect(kept).toEqual(new Map([[child, `${child} ImageReferencedByManifestList: ${failureReason}`]]));
    expect(calls.map(({ input }) => (input as { imageIds: unknown }).imageIds)).toEqual([
      [{ imageDigest: child }, { imageDigest: other }, { imageTag: '1.0' }],
    ]);
  });

  it('reads every page of the tags, and refuses an endless list', async () => {
    const imageDigest = `sha256:${'a'.repeat(64)}`;
    const page = (from: number, count: number, nextToken?: string): Answer => ({
      status: 200,
      body: {
        imageIds: Array.from({ length: count }, (_, i) => ({ imageTag: `t${from + i}`, imageDigest })),
        nextToken,
      },
    });
    let pages = 0;
    let next: () => Answer = () => (pages++ === 0 ? page(0, 1_000, 'more') : page(1_000, 5));
    const { config } = await script(() => next());
    const repositories = new EcrRepositories(config);
    expect((await repositories.tags(host, 'r'))?.size).toBe(1_005);
    next = () => page(pages++ * 1_000, 1_000, 'more');
    await expect(repositories.tags(host, 'r')).rejects.toMatchObject({ name: 'RegistryFailed' });
    next = () => refusal('AccessDeniedException');
    await expect(repositories.tags(host, 'r')).rejects.toMatchObject({
      name: 'RegistryForbidden',
      hint: expect.stringContaining('ecr:ListImages'),
    });
  });

  it('deletes at most 100 images with one request, in the order given', async () => {
    const { config, calls } = await script(() => ({ status: 200, body: {} }));
    const digests = Array.from({ length: 250 }, (_, i) => `sha256:${i.toString(16).padStart(64, '0')}`);
    await new EcrRepositories(config).deleteImages(host, 'r', digests);
    const requests = calls.map(({ input }) =>
      (input as { imageIds: { imageDigest: string }[] }).imageIds.map((id) => id.imageDigest),
    );
    expect(requests.map((ids) => ids.length)).toEqual([100, 100, 50]);
    expect(requests.flat()).toEqual(digests);
  });
});
