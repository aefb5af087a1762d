import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { S3Client } from '@aws-sdk/client-s3';
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import {
  DescribeExecutionCommand,
  type DescribeExecutionOutput,
  type HistoryEvent,
  ListExecutionsCommand,
  paginateGetExecutionHistory,
  SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import { SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import { CreateQueueCommand, DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { S3ObjectStore } from '../../functions/aws/s3-object-store.ts';
import type { Report } from '../../functions/state/documents.ts';
import { lockSchema, type Lock } from '../../functions/state/lock.ts';
import { RunDocuments } from '../../functions/state/run-documents.ts';
import { getJson } from '../../functions/state/object-store.ts';
import type { Images } from '../../infra/local/embedded/harness-api/state.ts';
import { region } from '../aws/moto-server.ts';
import type { LocalStack } from './localstack.ts';
import { startSurroundings, type Surroundings } from './surroundings.ts';

const root = join(import.meta.dirname, '../..');
/** The account of LocalStack's credentials. */
const account = '000000000000';
const apiKeySecret = 'harness-ci-image-factory/api-key';
const pollMs = 100;
/** Longer than any execution here takes. */
const executionMs = 120_000;

/** The outputs that `cdk deploy` prints, by name. */
type Outputs = Readonly<
  Record<
    | 'Version'
    | 'NextCommand'
    | 'WorkflowConsole'
    | 'StateMachineArn'
    | 'StateBucketName'
    | 'NotificationTopicArn'
    | 'WebhookUrl'
    | 'WebhookTokenSecretName'
    | 'EcrTokenFunctionName',
    string
  >
>;

export interface DeploymentOptions {
  /** Settings of the deployment beside those that it always has, or in their place. */
  settings?: Readonly<Record<string, string>>;
  /** Further variables of every function. */
  environment?: Readonly<Record<string, string>>;
}

/** The unmodified app, deployed by the CDK's own command line, and what is outside of AWS. */
export interface Deployment extends Surroundings {
  outputs: Outputs;
  /** Starts an execution and returns its ARN. Its name is the run id. */
  start(runId: string, input: object, stateMachineArn?: string): Promise<string>;
  /** Waits until an execution has ended, at most so long. */
  ended(executionArn: string, limitMs?: number): Promise<DescribeExecutionOutput>;
  /** Returns the history of an execution. */
  history(executionArn: string): Promise<HistoryEvent[]>;
  /** Starts an execution, and waits for its end. */
  run(runId: string, input: object): Promise<DescribeExecutionOutput>;
  /** Stops an execution, as somebody in the console does. */
  stop(executionArn: string): Promise<void>;
  /** The ARNs of all executions so far. */
  executions(): Promise<string[]>;
  /** Waits until something starts an execution that is not `known`, and for its end. */
  executionAfter(known: readonly string[]): Promise<DescribeExecutionOutput>;
  /** The report document of a run; `undefined` when it has none. */
  report(runId: string): Promise<Report | undefined>;
  /** Returns the holder of the lock of the Harness account; `null` when it is free. */
  lock(): Promise<Lock | null | undefined>;
  /** Returns the notifications of the topic since the last call. */
  notifications(): Promise<{ subject: string; message: string }[]>;
  /** Stores overrides in Harness, as somebody else. */
  setOverrides(overrides: Images): void;
  /** The token that the deployment generated for its webhook. */
  webhookToken(): Promise<string>;
  /** Deploys again, with further settings, and returns the outputs. */
  deployAgain(settings: Readonly<Record<string, string>>): Promise<Outputs>;
  /** Creates the secret with the API key for another stack. */
  createApiKey(secretName: string): Promise<void>;
  /** Stores another API key. */
  storeApiKey(key: string): Promise<void>;
}

/** @param images what Harness has by default, by field */
export async function deploy(images: Readonly<Images>, options: DeploymentOptions = {}): Promise<Deployment> {
  await using started = new AsyncDisposableStack();
  const surroundings = started.adopt(await startSurroundings(images, options.environment), (it) => it.close());
  const { folder, harness, registry, source, aws } = surroundings;

  const secrets = new SecretsManagerClient(aws.config);
  started.defer(() => secrets.destroy());
  await secrets.send(new CreateSecretCommand({ Name: apiKeySecret, SecretString: harness.apiKey }));

  const outputsFile = join(folder, 'outputs.json');
  const settings = {
    HARNESS_URL: harness.url,
    REGISTRY_NAME: registry,
    SOURCE_REGISTRY: source.host,
    SCHEDULE: 'off',
    STACK_TAGS: 'team=ci,cost=42',
    WEBHOOK: 'on',
    WEBHOOK_ALLOW: 'stop',
    ...options.settings,
  };
  const cdk = (command: readonly string[], further: Readonly<Record<string, string>> = {}) =>
    promisify(execFile)(process.execPath, [join(root, 'node_modules/aws-cdk/bin/cdk'), ...command], {
      cwd: root,
      maxBuffer: 64 * 1024 * 1024,
      env: {
        PATH: process.env['PATH'],
        HOME: folder,
        ...aws.environment,
        AWS_DEFAULT_REGION: region,
        CDK_HOME: folder,
        CDK_DISABLE_CLI_TELEMETRY: 'true',
        ...settings,
        ...further,
      },
    });
  /** Deploys one stack, and returns its outputs. */
  const deployStack = async (further?: Readonly<Record<string, string>>): Promise<Outputs> => {
    const output = ['--output', join(folder, 'cdk.out'), '--outputs-file', outputsFile];
    await cdk(['deploy', '--require-approval', 'never', '--no-notices', ...output], further);
    const [outputs] = Object.values(JSON.parse(readFileSync(outputsFile, 'utf8')) as Record<string, Outputs>);
    if (!outputs) throw new Error('the stack has no outputs');
    return outputs;
  };
  await cdk(['bootstrap', `aws://${account}/${region}`, '--no-notices']);
  const outputs = await deployStack();

  const sfn = new SFNClient(aws.config);
  const s3 = new S3Client(aws.config);
  const sqs = new SQSClient(aws.config);
  started.defer(() => [sfn, s3, sqs].forEach((client) => client.destroy()));
  const QueueUrl = await subscribe(outputs.NotificationTopicArn, aws, sqs);
  const store = new S3ObjectStore(outputs.StateBucketName, s3);

  const start: Deployment['start'] = async (name, input, stateMachineArn = outputs.StateMachineArn) => {
    const command = { stateMachineArn, name, input: JSON.stringify(input) };
    const { executionArn = '' } = await sfn.send(new StartExecutionCommand(command));
    return executionArn;
  };
  const ended: Deployment['ended'] = async (executionArn, limitMs = executionMs) => {
    for (const deadline = Date.now() + limitMs; Date.now() < deadline; await sleep(pollMs)) {
      const execution = await sfn.send(new DescribeExecutionCommand({ executionArn }));
      if (execution.status !== 'RUNNING') return execution;
    }
    throw new Error(`${executionArn} did not end within ${limitMs} ms`);
  };
  const executions: Deployment['executions'] = async () => {
    const command = new ListExecutionsCommand({ stateMachineArn: outputs.StateMachineArn });
    const { executions: all = [] } = await sfn.send(command);
    return all.map(({ executionArn = '' }) => executionArn);
  };
  const whole = started.move();
  return {
    ...surroundings,
    outputs,
    start,
    ended,
    async history(executionArn) {
      const pages = paginateGetExecutionHistory({ client: sfn }, { executionArn });
      return (await Array.fromAsync(pages)).flatMap(({ events = [] }) => events);
    },
    run: async (runId, input) => ended(await start(runId, input)),
    async stop(executionArn) {
      await sfn.send(new StopExecutionCommand({ executionArn, error: 'Stopped', cause: 'by hand' }));
    },
    executions,
    async executionAfter(known) {
      for (const deadline = Date.now() + executionMs / 2; Date.now() < deadline; await sleep(pollMs)) {
        const started = (await executions()).find((arn) => !known.includes(arn));
        if (started !== undefined) return ended(started);
      }
      throw new Error(`nothing started an execution within ${executionMs / 2} ms`);
    },
    report: (runId) => new RunDocuments(store, runId).report.find(),
    lock: () => getJson(store, `locks/${harness.accountId}.json`, lockSchema),
    async notifications() {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }),
      );
      for (const { ReceiptHandle } of Messages) await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
      return Messages.map(({ Body = '' }) => JSON.parse(Body) as { Subject: string; Message: string }).map(
        ({ Subject: subject, Message: message }) => ({ subject, message }),
      );
    },
    setOverrides(values) {
      const stored = harness.state[harness.accountId];
      if (stored) stored.ci.K8 = { ...values };
    },
    async webhookToken() {
      // LocalStack generates names with more dashes than AWS does, which the CDK takes for the end of the name.
      const { SecretList = [] } = await secrets.send(new ListSecretsCommand({}));
      const found = SecretList.find(({ Name = '' }) => Name.startsWith(outputs.WebhookTokenSecretName));
      const { SecretString = '' } = await secrets.send(new GetSecretValueCommand({ SecretId: found?.Name }));
      return (JSON.parse(SecretString) as { current: string }).current;
    },
    deployAgain: deployStack,
    async createApiKey(Name) {
      await secrets.send(new CreateSecretCommand({ Name, SecretString: harness.apiKey }));
    },
    async storeApiKey(SecretString) {
      await secrets.send(new PutSecretValueCommand({ SecretId: apiKeySecret, SecretString }));
    },
    close: () => whole.disposeAsync(),
  };
}

async function subscribe(TopicArn: string, aws: LocalStack, sqs: SQSClient): Promise<string> {
  const QueueName = 'outcomes';
  const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName }));
  const sns = new SNSClient(aws.config);
  const Endpoint = `arn:aws:sqs:${region}:${account}:${QueueName}`;
  await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint }));
  sns.destroy();
  return QueueUrl;
}
