import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { CreateSecretCommand, GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import {
  GetQueueAttributesCommand,
  ListQueuesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { S3ObjectStore } from '../../functions/aws/s3-object-store.ts';
import { outcomeDetail, outcomeDetailType, outcomeSource } from '../../functions/state/outcome-event.ts';
import { region } from '../aws/moto-server.ts';
import { type Deployment, deploy } from './deployment.ts';
import { askFunctionUrl } from './function-url.ts';
import { PageCommands } from './page-commands.ts';

const image = 'harness/ci-addon:1.18.22';
const credentials = 'registry-credentials';
const runMs = 120_000;

const folder = mkdtempSync(join(tmpdir(), 'runbook-'));
let factory: Deployment;
let runbook: PageCommands;
let s3: S3Client;
let secrets: SecretsManagerClient;
let sqs: SQSClient;
let store: S3ObjectStore;
let switched: Record<string, string>;

beforeAll(async () => {
  // A schedule, for its dead letters; one with long gaps, for the check of overdue syncs.
  const settings = { SCHEDULE: '0 2 1 1 ? *', REGISTRY_CREDENTIALS_SECRET: credentials };
  factory = await deploy({ addonTag: image }, { settings });
  switched = { addonTag: `${factory.registry}/${image}` };
  runbook = new PageCommands('runbook.md', factory.aws, folder);
  s3 = new S3Client(factory.aws.config);
  secrets = new SecretsManagerClient(factory.aws.config);
  sqs = new SQSClient(factory.aws.config);
  store = new S3ObjectStore(factory.outputs.StateBucketName, s3);
  await secrets.send(new CreateSecretCommand({ Name: credentials, SecretString: '{"auths": {}}' }));
}, 600_000);
afterAll(async () => {
  for (const client of [s3, secrets, sqs]) client?.destroy();
  await factory?.close();
  rmSync(folder, { recursive: true });
});

/** Waits for the execution whose ARN the commands printed. */
async function ended(output: string) {
  const [arn = 'no ARN'] = /arn:\S+:execution:\S+/.exec(output) ?? [];
  const { status, output: result, name = '' } = await factory.ended(arn);
  return { name, status, report: JSON.parse(result ?? 'null') as { status: string; action: string } | null };
}
const succeeded = { status: 'SUCCEEDED', report: { status: 'SUCCEEDED' } };

describe('the page of events', () => {
  it(
    'makes a rule that sends each failure to a queue, once, and no success',
    async () => {
      await new PageCommands('events.md', factory.aws, folder).run('A rule');
      expect(await factory.run('first', { modify_default: true })).toMatchObject({ status: 'SUCCEEDED' });
      factory.functions.fail('verify', { kind: 'dies-before', times: Infinity });
      factory.setOverrides({});
      expect(await factory.run('rolled-back', {})).toMatchObject({ status: 'FAILED', error: 'FunctionCrashed' });
      factory.functions.heal();
      const { QueueUrls: [QueueUrl] = [] } = await sqs.send(
        new ListQueuesCommand({ QueueNamePrefix: 'image-factory-failures' }),
      );
      const receive = new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 });
      const { Messages = [] } = await sqs.send(receive);
      const events = Messages.map(({ Body = '' }) => JSON.parse(Body) as { detail: unknown });
      expect(events).toMatchObject([{ source: outcomeSource, 'detail-type': outcomeDetailType }]);
      const detail = outcomeDetail.strict().parse(events[0]?.detail);
      expect(detail).toMatchObject({
        runId: 'rolled-back',
        action: 'sync',
        outcome: 'rolled-back',
        error: { name: 'FunctionCrashed' },
        fields: { rolledBack: 1 },
      });
      expect(factory.outputs.StateMachineArn).toMatch(new RegExp(`:${detail.factory}$`));
    },
    runMs,
  );
});

describe('the runbook', () => {
  it(
    'lists the runs, and shows one',
    async () => {
      expect(await runbook.run('Look at runs', 0)).toMatch(/SUCCEEDED\s+first/);
      const shown = await runbook.run('Look at runs', 1, { RUN: 'first' });
      expect(shown).toContain('"SUCCEEDED"');
      expect(shown).toContain('"runId": "first"');
    },
    runMs,
  );

  it(
    'stops a run, which another one puts back',
    async () => {
      factory.setOverrides({});
      const switching = factory.functions.hold('update-config', 'after');
      const arn = await factory.start('stopped', {});
      const held = await switching;
      const known = await factory.executions();
      await runbook.run('Stop a run', 0, { RUN: 'stopped' });
      held.release();
      expect(await factory.ended(arn)).toMatchObject({ status: 'ABORTED' });
      await factory.executionAfter(known);
      expect(factory.overrides()).toEqual({});
      expect(await ended(await runbook.run('Stop a run', 1, { RUN: 'stopped' }))).toMatchObject({
        report: { status: 'SKIPPED' },
      });
    },
    runMs,
  );

  it(
    'shows the lock, and deletes one that is damaged',
    async () => {
      const ACCOUNT = factory.harness.accountId;
      expect(JSON.parse(await runbook.run('Unlock', 0, { ACCOUNT }))).toBeNull();
      await store.put(`locks/${ACCOUNT}.json`, Buffer.from('{'));
      expect(await factory.run('locked', {})).toMatchObject({ status: 'FAILED', error: 'StoreFailed' });
      await runbook.run('Unlock', 1, { ACCOUNT });
      expect(await factory.run('unlocked', {})).toMatchObject({ status: 'SUCCEEDED' });
      expect(factory.overrides()).toEqual(switched);
    },
    runMs,
  );

  it(
    'restores what was there before a run, or the images of Harness',
    async () => {
      expect(await runbook.run('Restore', 0)).toMatch(/runs\/first\/snapshot\.json/);
      const reset = await ended(await runbook.run('Restore', 2));
      expect(reset).toMatchObject({ ...succeeded, report: { action: 'reset' } });
      expect(factory.overrides()).toEqual({});
      const restored = await ended(await runbook.run('Restore', 1, { RUN: reset.name }));
      expect(restored).toMatchObject({ ...succeeded, report: { action: 'restore' } });
      expect(factory.overrides()).toEqual(switched);
    },
    runMs,
  );

  it(
    'rotates the API key, the credentials of registries, and the callback',
    async () => {
      await factory.storeApiKey('sat.embedded.token.wrong');
      await factory.functions.close();
      writeFileSync(join(folder, 'api-key.txt'), factory.harness.apiKey);
      expect(await ended(await runbook.run('Rotate keys', 0))).toMatchObject(succeeded);
      writeFileSync(join(folder, 'config.json'), '{"auths": {"registry.example": {}}}');
      const variables = { REGISTRY_CREDENTIALS_SECRET: credentials };
      expect(await ended(await runbook.run('Rotate keys', 1, variables))).toMatchObject(succeeded);
      const { SecretString } = await secrets.send(new GetSecretValueCommand({ SecretId: credentials }));
      expect(SecretString).toContain('registry.example');
      const callback = 'callback-url';
      await secrets.send(new CreateSecretCommand({ Name: callback, SecretString: 'https://old.example' }));
      writeFileSync(join(folder, 'callback-url.txt'), 'https://new.example');
      await runbook.run('Rotate keys', 4, { CALLBACK_URL_SECRET: callback });
      expect((await secrets.send(new GetSecretValueCommand({ SecretId: callback }))).SecretString).toBe(
        'https://new.example',
      );
      for (const file of ['api-key.txt', 'config.json', 'callback-url.txt'])
        expect(existsSync(join(folder, file))).toBe(false);
    },
    runMs,
  );

  it(
    'rotates the token of the webhook: the old one is valid until the end',
    async () => {
      const old = await factory.webhookToken();
      await runbook.run('Rotate keys', 2);
      const current = await factory.webhookToken();
      expect(current).toMatch(/^[A-Za-z0-9]{48}$/);
      expect(await statuses(old, current)).toEqual([404, 404]);
      await runbook.run('Rotate keys', 3);
      expect(await statuses(old, current)).toEqual([401, 404]);
      expect(existsSync(join(folder, 'tokens.json'))).toBe(false);

      /** Returns the responses of a webhook that has just been started to requests for an unknown run. */
      async function statuses(...tokens: string[]): Promise<number[]> {
        const found: number[] = [];
        for (const token of tokens) {
          await factory.functions.close();
          const options = { method: 'GET', headers: { authorization: `Bearer ${token}` } } as const;
          found.push((await askFunctionUrl(new URL('/runs/none', factory.outputs.WebhookUrl).href, options)).status);
        }
        return found;
      }
    },
    runMs,
  );

  it(
    'starts a run again with the same input, and one for the starts that failed',
    async () => {
      const again = await ended(await runbook.run('Redrive', 0, { RUN: 'first' }));
      expect(again).toMatchObject(succeeded);
      const { QueueUrls = [] } = await sqs.send(new ListQueuesCommand({}));
      const QueueUrl = QueueUrls.find((url) => !/\/(?:outcomes|image-factory-failures)$/.test(url));
      await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: '{"start": "failed"}' }));
      const output = await runbook.run('Redrive', 1);
      expect(output).toContain('failed');
      expect(await ended(output)).toMatchObject(succeeded);
      const AttributeNames = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;
      const { Attributes } = await sqs.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...AttributeNames] }),
      );
      expect(Attributes).toEqual(Object.fromEntries(AttributeNames.map((name) => [name, '0'])));
    },
    runMs,
  );

  it(
    'copies the state to the bucket of another region, without its locks',
    async () => {
      const NEW_BUCKET = 'moved';
      await s3.send(
        new CreateBucketCommand({ Bucket: NEW_BUCKET, CreateBucketConfiguration: { LocationConstraint: region } }),
      );
      await runbook.run('Move to another region', 0, { OLD_REGION: region, NEW_REGION: region, NEW_BUCKET });
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: NEW_BUCKET }));
      const keys = Contents.map(({ Key }) => Key);
      expect(keys).toEqual(expect.arrayContaining(['runs/first/snapshot.json', 'inventory.json', 'last-sync.json']));
      expect(keys.filter((key) => key?.startsWith('locks/'))).toEqual([]);
    },
    runMs,
  );

  it(
    'brings documents back that were deleted',
    async () => {
      const Key = 'runs/first/report.json';
      await s3.send(new DeleteObjectCommand({ Bucket: factory.outputs.StateBucketName, Key }));
      expect(await store.get(Key)).toBeUndefined();
      await runbook.run('Rebuild the state bucket', 0, { PREFIX: 'runs/first/' });
      expect(await factory.report('first')).toMatchObject({ runId: 'first' });
    },
    runMs,
  );

  it(
    'works on with a new bucket in place of one that is gone',
    async () => {
      const Bucket = factory.outputs.StateBucketName;
      await removeBucket(Bucket);
      expect(await ended(await runbook.run('Rebuild the state bucket', 1))).toMatchObject(succeeded);
      expect(await s3.send(new GetBucketVersioningCommand({ Bucket }))).toMatchObject({ Status: 'Enabled' });
      expect(factory.overrides()).toEqual(switched);
    },
    runMs,
  );

  it.each(['RunTimedOut', 'ReportFailed', 'NoSyncSucceeded', 'WebhookFailed'])(
    'shows the errors in a log, for %s',
    async (alarm) => {
      expect((await runbook.run(alarm)).trim()).toMatch(/^(?:None)?$/);
    },
    runMs,
  );

  it.each(['RunStopped', 'DriftFound'])(
    'starts the run that helps, for %s',
    async (alarm) => {
      expect(await ended(await runbook.run(alarm))).toMatchObject(succeeded);
    },
    runMs,
  );

  it(
    'publishes to the topic, for NotificationFailed',
    async () => {
      await factory.notifications();
      await runbook.run('NotificationFailed');
      expect(await factory.notifications()).toContainEqual({ subject: 'Test', message: 'A test of the topic' });
    },
    runMs,
  );

  it('has no command that was not run', () => {
    const all = [...runbook.blocks]
      .slice(1)
      .flatMap(([heading, commands]) => commands.map((_, index) => `${heading} ${index}`));
    // Run by the test of the ECR password, whose deployment has the function.
    const elsewhere = ['EcrTokenFailed 0'];
    expect(all.filter((block) => !runbook.done.has(block))).toEqual(elsewhere);
  });
});

async function removeBucket(Bucket: string): Promise<void> {
  const { Versions = [], DeleteMarkers = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket }));
  for (const { Key, VersionId } of [...Versions, ...DeleteMarkers])
    await s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId }));
  await s3.send(new DeleteBucketCommand({ Bucket }));
}
