import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PutBucketVersioningCommand, S3Client, type VersioningConfiguration } from '@aws-sdk/client-s3';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { type EmbeddedHarnessApi, startHarnessApi } from '../../infra/local/embedded/harness-api/server.ts';
import { CertificateAuthority } from '../http/certificate-authority.ts';
import { type ConnectProxy, startConnectProxy } from '../http/connect-proxy.ts';
import { command, type DockerRegistry, startDockerRegistry } from '../real-registry/docker-registry.ts';
import { createResources } from './created-resources.ts';
import type { LambdaFunctionOptions } from './lambda-function.ts';
import { account, type MotoServer, region, startMotoServer } from './moto-server.ts';
import { type BundledFunction, type CloudFormationTemplate, synthesizeBundled } from './synthesize-bundled.ts';

/** Programs that must be on PATH. */
export const parts = ['moto_server', command, 'openssl'];

/** The source and the target of the copies. */
export const sourceHost = 'us-docker.pkg.dev';
export const sourcePrefix = 'gar-prod-setup/harness-public';
export const targetHost = `${account}.dkr.ecr.${region}.amazonaws.com`;
export const targetPrefix = 'mirror';

/**
 * A factory as it is deployed, as near to AWS as one machine allows: the bundled functions with the environment of the
 * template, moto in place of AWS, and a `docker-registry` each behind the names of Google's registry and of ECR, to
 * which a proxy leads, with certificates of a CA that a layer holds.
 */
export interface Deployment {
  /** Bundles by task, with those of the functions that are no task. */
  bundles: ReadonlyMap<string, BundledFunction>;
  /** Functions by task, ready to start. */
  functions: ReadonlyMap<string, LambdaFunctionOptions>;
  moto: MotoServer;
  harness: EmbeddedHarnessApi;
  source: DockerRegistry;
  target: DockerRegistry;
  proxy: ConnectProxy;
  bucket: string;
  topicArn: string;
  close(): Promise<void>;
}

export interface DeploymentOptions {
  /** An empty folder. */
  folder: string;
  /** Data of the source registry. */
  source: string;
  /** Default images of Harness, by field. */
  images: Readonly<Record<string, string>>;
}

export async function startDeployment({ folder, source: data, images }: DeploymentOptions): Promise<Deployment> {
  const layer = join(folder, 'layer');
  const authorityFolder = join(folder, 'ca');
  for (const made of [layer, authorityFolder]) mkdirSync(made);
  const authority = new CertificateAuthority(authorityFolder, 'Test CA');
  writeFileSync(join(layer, 'ca.pem'), authority.cert);

  await using started = new AsyncDisposableStack();
  const keep = <T extends { close(): Promise<void> }>(part: T) => started.adopt(part, (it) => it.close());
  const moto = keep(await startMotoServer());
  const harness = keep(await startHarnessApi({ defaults: { ci: { K8: { ...images } } } }));
  const source = keep(await startDockerRegistry({ data, tls: authority.issue(sourceHost) }));
  const target = keep(await startDockerRegistry({ tls: authority.issue(targetHost) }));
  const portOf = ({ host }: DockerRegistry) => Number(host.split(':')[1]);
  const ports = { [sourceHost]: portOf(source), [targetHost]: portOf(target) };
  const proxy = keep(await startConnectProxy(undefined, ports));

  const props = {
    harnessUrl: harness.url,
    registryName: `${targetHost}/${targetPrefix}`,
    proxy: { url: proxy.url },
    extraCaCerts: '/opt/ca.pem',
    ecrTokenSecret: 'account.ecr',
    webhook: {},
    // With gaps of more than a week, so that there is a check for an overdue sync.
    schedule: '0 2 1 * ? *',
  };
  const { template, functions: bundles } = await synthesizeBundled(join(folder, 'cdk.out'), props, layer);
  const valueOf = await createResources(template, moto);
  const functions = new Map<string, LambdaFunctionOptions>();
  for (const [name, { environment, ...bundle }] of bundles) {
    const variables = Object.entries(environment).map(
      // Where Lambda unpacks layers.
      ([variable, value]) => [variable, valueOf(value).replace(/^\/opt(?=\/)/, layer)] as const,
    );
    const own = { ...Object.fromEntries(variables), AWS_ENDPOINT_URL: moto.config.endpoint };
    functions.set(name, { name, ...bundle, environment: own });
  }
  const known = functions.get('report')?.environment ?? {};
  const bucket = known['STATE_BUCKET'] ?? '';
  await versionBucket(bucket, template, moto);
  await storeSecret(known['HARNESS_API_KEY_SECRET'] ?? '', JSON.stringify({ apiKey: harness.apiKey }), moto);

  const whole = started.move();
  const topicArn = known['NOTIFICATION_TOPIC_ARN'] ?? '';
  const close = () => whole.disposeAsync();
  return { bundles, functions, moto, harness, source, target, proxy, bucket, topicArn, close };
}

/** Sets the bucket's versioning as the template has it; moto's CloudFormation leaves it out. */
async function versionBucket(Bucket: string, { Resources }: CloudFormationTemplate, moto: MotoServer): Promise<void> {
  const { Properties } = Object.values(Resources).find(({ Type }) => Type === 'AWS::S3::Bucket') ?? {};
  const VersioningConfiguration = Properties?.['VersioningConfiguration'] as VersioningConfiguration;
  const s3 = new S3Client({ ...moto.config, forcePathStyle: true });
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
  s3.destroy();
}

async function storeSecret(Name: string, SecretString: string, moto: MotoServer): Promise<void> {
  const secrets = new SecretsManagerClient(moto.config);
  await secrets.send(new CreateSecretCommand({ Name, SecretString }));
  secrets.destroy();
}
