import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DescribeRepositoriesCommand, ECRClient } from '@aws-sdk/client-ecr';
import { GetBucketEncryptionCommand, GetBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { S3ObjectStore } from '../../functions/aws/s3-object-store.ts';
import type { Report } from '../../functions/state/documents.ts';
import { RunDocuments } from '../../functions/state/run-documents.ts';
import type { WorkflowOutcome } from '../../infra/local/engine.ts';
import { ImageStore } from '../bench/image-store.ts';
import { available } from '../real-parts.ts';
import type { Line } from '../telemetry/log-lines.ts';
import type { RunStatus } from '../../functions/webhook/run-status.ts';
import type { WebhookResponse } from '../../functions/webhook/function-url.ts';
import { request, type RequestOptions } from '../webhook/request.ts';
import { budgets } from './bundle-budgets.ts';
import {
  type Deployment,
  parts,
  sourceHost,
  sourcePrefix,
  startDeployment,
  targetHost,
  targetPrefix,
} from './deployment.ts';
import { LambdaFunction } from './lambda-function.ts';
import { account, region } from './moto-server.ts';
import { runBundledWorkflow } from './run-bundled-workflow.ts';

const fields = { addonTag: 'harness/ci-addon:1.18.22', liteEngineTag: 'harness/ci-lite-engine:1.18.22' };
const images = Object.values(fields);
const missing = parts.filter((part) => !available(part));

(missing.length === 0 ? describe : describe.skip)(
  `the functions as they are deployed${missing.length === 0 ? '' : ` (not on PATH: ${missing.join(', ')})`}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'bundled-handlers-'));
    /** Digests by image. */
    const digests = new Map<string, string>();
    let deployment: Deployment;
    let functions: Map<string, LambdaFunction>;
    let s3: S3Client;
    let sqs: SQSClient;
    let queue: string;

    beforeAll(async () => {
      const source = join(folder, 'source');
      const store = new ImageStore(source);
      for (const image of images) {
        const [name = '', tag] = image.split(':');
        const repository = `${sourcePrefix}/${name}`;
        const layers = [await store.layer(repository, 'base', 9_000), await store.layer(repository, name, 3_000)];
        const { digest } = await store.image(repository, { os: 'linux', architecture: 'amd64' }, layers, tag);
        digests.set(image, digest);
      }
      deployment = await startDeployment({ folder, source, images: fields });
      functions = new Map([...deployment.functions].map(([task, options]) => [task, new LambdaFunction(options)]));
      s3 = new S3Client({ ...deployment.moto.config, forcePathStyle: true });
      sqs = new SQSClient(deployment.moto.config);
      queue = await subscribe();
    }, 180_000);

    afterAll(async () => {
      s3?.destroy();
      sqs?.destroy();
      await Promise.all([...(functions?.values() ?? [])].map((lambda) => lambda.close()));
      await deployment?.close();
      rmSync(folder, { recursive: true, force: true });
    });

    async function subscribe(): Promise<string> {
      const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: 'outcomes' }));
      const sns = new SNSClient(deployment.moto.config);
      const Endpoint = `arn:aws:sqs:${region}:${account}:outcomes`;
      await sns.send(new SubscribeCommand({ TopicArn: deployment.topicArn, Protocol: 'sqs', Endpoint }));
      sns.destroy();
      return QueueUrl;
    }

    async function notifications(): Promise<Record<string, unknown>[]> {
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl: queue, MaxNumberOfMessages: 10 }));
      return Messages.map(({ Body = '' }) => JSON.parse(Body) as Record<string, unknown>);
    }

    /** Returns the log lines of a function about a run. */
    const linesOf = (task: string, runId?: string): Line[] =>
      (functions.get(task)?.log() ?? '')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Line)
        .filter((line) => line['runId'] === runId);

    it('keeps every bundle within its budget', () => {
      expect([...deployment.bundles.keys()]).toEqual(expect.arrayContaining(Object.keys(budgets.byTask)));
      const tooLarge = [...deployment.bundles].filter(([task, { bytes }]) => bytes > budgets.of(task));
      expect(tooLarge.map(([task, { bytes }]) => [task, bytes])).toEqual([]);
    });

    describe('a sync from the official registry to ECR', () => {
      let outcome: WorkflowOutcome;
      beforeAll(async () => {
        outcome = await runBundledWorkflow(functions, {}, 'run-1');
      }, 90_000);

      it('copies every image, and points Harness at the copies', () => {
        expect(outcome).toMatchObject({
          status: 'SUCCEEDED',
          output: {
            status: 'SUCCEEDED',
            action: 'sync',
            images: images.map((image) => ({ image, status: 'copied', digest: digests.get(image) })),
          },
        });
        const copyOf = (image: string) => `${targetHost}/${targetPrefix}/${image}`;
        expect(deployment.harness.state[deployment.harness.accountId]?.ci.K8).toEqual({
          addonTag: copyOf(fields.addonTag),
          liteEngineTag: copyOf(fields.liteEngineTag),
        });
      });

      it('creates the repositories with scan on push', async () => {
        const ecr = new ECRClient(deployment.moto.config);
        const { repositories = [] } = await ecr.send(new DescribeRepositoriesCommand({}));
        ecr.destroy();
        const made = repositories.map(
          ({ repositoryName = '', imageScanningConfiguration }) =>
            [repositoryName, imageScanningConfiguration?.scanOnPush] as const,
        );
        expect(new Map(made)).toEqual(
          new Map([
            [`${targetPrefix}/harness/ci-addon`, true],
            [`${targetPrefix}/harness/ci-lite-engine`, true],
          ]),
        );
      });

      it('reaches the registries through the proxy, with the CA of the layer', () => {
        expect(new Set(deployment.proxy.seen.map(({ target }) => target))).toEqual(
          new Set([`${sourceHost}:443`, `${targetHost}:443`]),
        );
      });

      it('stores the report in the bucket that the template describes', async () => {
        const { bucket: Bucket } = deployment;
        const report: Report = await new RunDocuments(new S3ObjectStore(Bucket, s3), 'run-1').report.get();
        expect(report).toEqual(outcome.output);
        expect(await s3.send(new GetBucketVersioningCommand({ Bucket }))).toMatchObject({ Status: 'Enabled' });
        const encryption = await s3.send(new GetBucketEncryptionCommand({ Bucket }));
        expect(encryption.ServerSideEncryptionConfiguration?.Rules).toHaveLength(1);
      });

      it('notifies the topic', async () => {
        expect(await notifications()).toEqual([
          expect.objectContaining({
            Subject: 'Harness CI images: sync SUCCEEDED',
            Message: expect.stringMatching(/2 images: 2 copied[^]*\nReport: s3:\/\/[\w-]+\/runs\/run-1\/report\.json/),
            MessageAttributes: {
              status: { Type: 'String', Value: 'SUCCEEDED' },
              action: { Type: 'String', Value: 'sync' },
            },
          }),
        ]);
      });

      it('logs results by task and run', () => {
        expect(linesOf('plan', 'run-1').at(-1)).toMatchObject({
          service: expect.stringMatching(/^StackFactory[0-9A-F]{8}$/),
          task: 'plan',
          message: 'finished',
          outcome: 'copy',
        });
        const copies = linesOf('copy', 'run-1').filter(({ message }) => message === 'finished');
        expect(copies.map(({ image, outcome: how }) => `${String(image)} ${String(how)}`).toSorted()).toEqual(
          images.map((image) => `${image} copied`),
        );
        const asked = linesOf('report', 'run-1').flatMap(({ registry }) => (registry === undefined ? [] : [registry]));
        expect(new Set(asked)).toEqual(new Set([sourceHost, targetHost]));
        for (const lambda of functions.values()) expect(lambda.log()).not.toContain(deployment.harness.apiKey);
      });

      it('writes the metrics of the run', () => {
        const metrics = linesOf('report', 'run-1').find((line) => '_aws' in line);
        expect(metrics).toMatchObject({ ImagesCopied: 2, ImagesFailed: 0, RunsSucceeded: 1, DriftFound: 0 });
        expect(metrics?.['_aws']).toMatchObject({
          CloudWatchMetrics: [{ Namespace: 'HarnessCiImageFactory', Dimensions: [['service']] }],
        });
      });
    });

    describe('the webhook', () => {
      let token: string;
      beforeAll(async () => {
        const SecretId = deployment.functions.get('webhook')?.environment['WEBHOOK_TOKEN_SECRET'];
        const secrets = new SecretsManagerClient(deployment.moto.config);
        const { SecretString = '' } = await secrets.send(new GetSecretValueCommand({ SecretId }));
        secrets.destroy();
        ({ current: token } = JSON.parse(SecretString) as { current: string });
      });

      const ask = async (authorization: string | undefined, options: RequestOptions) => {
        const answer = await functions.get('webhook')?.invoke(request({ ...options, headers: { authorization } }));
        const { statusCode, body } = answer as WebhookResponse;
        return { status: statusCode, run: JSON.parse(body) as RunStatus };
      };

      it('starts one run for a request with the generated token, and returns its status', async () => {
        const body = '{"action":"plan"}';
        expect((await ask(undefined, { body })).status).toBe(401);
        const started = await ask(`Bearer ${token}`, { body });
        expect(started).toMatchObject({ status: 202, run: { status: 'RUNNING' } });
        expect(await ask(`Bearer ${token}`, { body })).toEqual(started);
        const { runId } = started.run;
        const shown = await ask(`Bearer ${token}`, { method: 'GET', path: `/runs/${runId}` });
        expect(shown).toMatchObject({ status: 200, run: { runId, status: 'RUNNING' } });
        expect(linesOf('webhook', runId)[0]).toMatchObject({
          task: 'webhook',
          service: expect.stringMatching(/^StackFactory[0-9A-F]{8}$/),
          message: 'run started',
        });
        expect(functions.get('webhook')?.log()).not.toContain(token);
      }, 30_000);
    });

    describe('the refresh of the ECR password', () => {
      const password = `${account}-auth-token`;
      const stored = () => deployment.harness.state[deployment.harness.accountId]?.secrets[0]?.spec.value;
      const log = () => functions.get('ecr-token')?.log() ?? '';
      beforeAll(() => {
        deployment.harness.state[deployment.harness.accountId]?.secrets.push({
          type: 'SecretText',
          name: 'ECR password',
          identifier: 'ecr',
          spec: { secretManagerIdentifier: 'harnessSecretManager', valueType: 'Inline', value: 'old' },
        });
      });

      it('stores a new password in Harness, and logs when it expires, never the password', async () => {
        const result = await functions.get('ecr-token')?.invoke({});
        expect(result).toEqual({ registry: targetHost, secret: 'account.ecr', expiresAt: expect.any(String) });
        expect(stored()).toBe(password);
        expect(log()).toContain(`the secret account.ecr holds a new password of ${targetHost}, valid until `);
        expect(log()).not.toContain(password);
      }, 30_000);

      it('fails with an error that Lambda counts, and says why in its log', async () => {
        deployment.harness.quirks.policyDeniesSecrets = true;
        await expect(functions.get('ecr-token')?.invoke({})).rejects.toThrow('a policy of the account denied it');
        deployment.harness.quirks.policyDeniesSecrets = false;
        const last = JSON.parse(log().trim().split('\n').at(-1) ?? '') as Line;
        expect(last).toMatchObject({
          level: 'ERROR',
          task: 'ecr-token',
          error: { name: 'HarnessRejected', hint: expect.any(String) },
        });
        expect(log()).not.toContain(password);
      }, 30_000);
    });

    it('writes the hours since the last sync that succeeded', async () => {
      await functions.get('overdue')?.invoke({});
      const line = linesOf('overdue').find((each) => '_aws' in each);
      expect(line).toMatchObject({
        service: expect.stringMatching(/^StackFactory[0-9A-F]{8}$/),
        HoursSinceSync: expect.any(Number),
      });
      expect(await new S3ObjectStore(deployment.bucket, s3).get('last-sync.json')).toBeDefined();
    }, 30_000);

    it('reports error and hint of a failed run, whatever its name and input', async () => {
      const runId = 'run+2=(é)';
      const outcome = await runBundledWorkflow(functions, 'sync', runId);
      expect(outcome).toMatchObject({ status: 'FAILED', error: 'InvalidInput' });
      expect(await notifications()).toMatchObject([
        {
          Subject: 'Harness CI images: sync FAILED (InvalidInput)',
          Message: expect.stringContaining('What to do:'),
          MessageAttributes: { status: { Value: 'FAILED' } },
        },
      ]);
      const store = new S3ObjectStore(deployment.bucket, s3);
      expect(await new RunDocuments(store, runId).report.get()).toMatchObject({ runId, status: 'FAILED' });
      const error = { name: 'InvalidInput', hint: expect.any(String) };
      expect(linesOf('plan', runId).at(-1)).toMatchObject({ level: 'ERROR', error });
      expect(linesOf('report', runId).find((line) => '_aws' in line)).toMatchObject({ RunsFailed: 1 });
    }, 30_000);
  },
);
