import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { GetBucketTaggingCommand, S3Client } from '@aws-sdk/client-s3';
import release from '../../package.json' with { type: 'json' };
import type { Report } from '../../functions/state/documents.ts';
import type { HistoryEntry } from '../../functions/state/history.ts';
import { imageStatuses, statuses } from '../tasks/factory.ts';
import { pushSamples } from '../../infra/local/embedded/sample-images.ts';
import { region } from '../aws/moto-server.ts';
import { type Deployment, deploy } from './deployment.ts';
import { askFunctionUrl } from './function-url.ts';
import { localCommand } from './local-command.ts';
import { checksOfRuntime, namesOf } from '../doctor/check-names.ts';

const fields = { addonTag: 'harness/ci-addon:1.18.22', liteEngineTag: 'harness/ci-lite-engine:1.18.22' };
const images = Object.values(fields);
/** Time limit of an execution, on a machine that is busy with other things. */
const runMs = 120_000;

let factory: Deployment;
/** Every field with the copy of its image. */
let switched: Record<string, string>;

beforeAll(async () => {
  factory = await deploy(fields);
  switched = Object.fromEntries(
    Object.entries(fields).map(([field, image]) => [field, `${factory.registry}/${image}`]),
  );
}, 600_000);
afterAll(() => factory?.close());

/** Runs the workflow, and returns its report, which its output and its document are alike. */
async function reportOf(runId: string, input: object): Promise<Report> {
  const { status, output } = await factory.run(runId, input);
  expect(status).toBe('SUCCEEDED');
  const report = JSON.parse(output ?? '') as Report;
  expect(await factory.report(runId)).toEqual(report);
  return report;
}

/** The input of scheduled runs, with the ARN in place of the keyword. */
const scheduledInput = { started_by_schedule: 'arn:aws:scheduler:us-east-1:000000000000:schedule/default/nightly' };

const switchCommand = () =>
  `aws stepfunctions start-execution --region ${region} --state-machine-arn ${factory.outputs.StateMachineArn} --input '{}'`;

const writes = () =>
  factory.harness.requests.filter(({ method, path }) => method === 'POST' && path.includes('/execution-config/'));
const every = (status: string) => Object.fromEntries(Object.keys(fields).map((field) => [`ci K8 ${field}`, status]));

describe('the runs of a deployment, one after the other', () => {
  let writesBefore: number;
  beforeEach(() => {
    writesBefore = writes().length;
  });

  it(
    'a scheduled run copies every image, and leaves the first switch to a person',
    async () => {
      const report = await reportOf('scheduled-1', scheduledInput);
      expect(imageStatuses(report)).toEqual(Object.fromEntries(images.map((image) => [image, 'copied'])));
      expect(statuses(report)).toEqual(every('planned'));
      expect(factory.overrides()).toEqual({});
      expect(writes()).toEqual([]);
      expect(await factory.notifications()).toEqual([
        expect.objectContaining({ message: expect.stringContaining(`To switch: ${switchCommand()}\n`) }),
      ]);
    },
    runMs,
  );

  it(
    'a sync of a person points Harness at the copies',
    async () => {
      const report = await reportOf('sync-1', {});
      expect(imageStatuses(report)).toEqual(Object.fromEntries(images.map((image) => [image, 'skipped'])));
      expect(statuses(report)).toEqual(every('updated'));
      expect(factory.overrides()).toEqual(switched);
      for (const image of images) {
        const [name = '', tag = ''] = image.split(':');
        const digest = factory.target.storage.resolve(`mirror/${name}`, tag);
        expect(digest).toBe(factory.source.storage.resolve(name, tag));
      }
      expect(await factory.lock()).toBeNull();
      expect(await factory.notifications()).toEqual([
        { subject: 'Harness CI images: sync SUCCEEDED', message: expect.stringContaining('runs/sync-1/report.json') },
      ]);
    },
    runMs,
  );

  it(
    'the next scheduled run copies nothing and writes nothing to Harness',
    async () => {
      const report = await reportOf('scheduled-2', scheduledInput);
      expect(report).not.toHaveProperty('awaiting');
      expect(report.totals).toMatchObject({ copied: 0, failed: 0, bytesTransferred: 0 });
      expect(statuses(report)).toEqual(every('unchanged'));
      expect(writes()).toHaveLength(writesBefore);
    },
    runMs,
  );

  it(
    'doctor checks what the functions reach, and its report has every check',
    async () => {
      const report = await reportOf('doctor-1', { action: 'doctor' });
      expect(report.checks?.filter(({ status }) => status === 'failed')).toEqual([]);
      expect(new Set(namesOf(report))).toEqual(new Set(checksOfRuntime));
      expect(writes()).toHaveLength(writesBefore);
    },
    runMs,
  );

  it(
    'plan and verify find everything in its place',
    async () => {
      expect(await reportOf('plan-1', { action: 'plan' })).toMatchObject({ status: 'SUCCEEDED', action: 'plan' });
      expect(await reportOf('verify-1', { action: 'verify' })).toMatchObject({ status: 'SUCCEEDED' });
      expect(writes()).toHaveLength(writesBefore);
    },
    runMs,
  );

  it(
    'reset gives Harness its own images back, and restore the copies',
    async () => {
      expect(statuses(await reportOf('reset-1', { action: 'reset' }))).toEqual(every('reset'));
      expect(factory.overrides()).toEqual({});
      const restored = await reportOf('restore-1', { action: 'restore', restore_run: 'reset-1' });
      expect(statuses(restored)).toEqual(every('updated'));
      expect(factory.overrides()).toEqual(switched);
      expect(await factory.lock()).toBeNull();
    },
    runMs,
  );
});

describe('the command on another machine, with the bucket of the deployment,', () => {
  it(
    'plans, lists the executions, and restores what was before one of them',
    async () => {
      expect(await localCommand(factory, ['plan'])).toMatchObject({
        status: 'SUCCEEDED',
        images: images.map((image) => expect.objectContaining({ image, status: 'skipped' })),
      });
      const history = (await localCommand(factory, ['history'])) as HistoryEntry[];
      expect(history.map(({ action }) => action)).toEqual([
        'plan',
        'restore',
        'reset',
        'verify',
        'plan',
        'doctor',
        'sync',
        'sync',
        'sync',
      ]);
      expect(history).toContainEqual(
        expect.objectContaining({ runId: 'reset-1', status: 'SUCCEEDED', restorable: true }),
      );
      const restored = (await localCommand(factory, ['restore', '--run', 'restore-1', '--yes'])) as Report;
      expect(statuses(restored)).toEqual(every('reset'));
      expect(factory.overrides()).toEqual({});
      const undone = await reportOf('restore-2', { action: 'restore', restore_run: restored.runId });
      expect(statuses(undone)).toEqual(every('updated'));
      expect(factory.overrides()).toEqual(switched);
    },
    runMs,
  );

  it(
    'leaves the account to an execution that has the lock, as an execution does to the command',
    async () => {
      const resetting = factory.functions.hold('reset-config');
      const arn = await factory.start('reset-2', { action: 'reset' });
      const held = await resetting;
      expect(await localCommand(factory, ['sync', '--yes'])).toMatchObject({
        status: 'SKIPPED',
        reason: expect.stringContaining('run reset-2 (reset) has held the lock'),
      });
      held.release();
      await factory.ended(arn);
      expect(factory.overrides()).toEqual({});

      let skipped: Report | undefined;
      const during = async () => void (skipped = await reportOf('sync-2', {}));
      const report = (await localCommand(factory, ['sync', '--yes'], { at: 'switching Harness', during })) as Report;
      expect(report.status).toBe('SUCCEEDED');
      expect(skipped).toMatchObject({
        status: 'SKIPPED',
        reason: expect.stringContaining(`run ${report.runId} (sync) has held the lock`),
      });
      expect(factory.overrides()).toEqual(switched);
      expect(await factory.lock()).toBeNull();
    },
    runMs,
  );
});

describe('the webhook, by its Function URL,', () => {
  let authorization: string;
  beforeAll(async () => {
    authorization = `Bearer ${await factory.webhookToken()}`;
  });
  const arnOf = (runId: string) =>
    `${factory.outputs.StateMachineArn.replace(':stateMachine:', ':execution:')}:${runId}`;
  const ask = (path: string, method: 'GET' | 'POST', body?: object, headers: object = { authorization }) =>
    askFunctionUrl(new URL(path, factory.outputs.WebhookUrl).href, {
      method,
      headers: { ...headers },
      ...(body && { body }),
    });

  it(
    'starts a run for whoever has the token, and shows how it ended',
    async () => {
      const started = await ask('/runs', 'POST', { action: 'plan' });
      expect(started).toMatchObject({ status: 202, body: { status: 'RUNNING' } });
      const { runId } = started.body as { runId: string };
      await factory.ended(arnOf(runId));
      expect(await ask(`/runs/${runId}`, 'GET')).toMatchObject({ status: 200, body: { runId, status: 'SUCCEEDED' } });
    },
    runMs,
  );

  it(
    'stops a run for whoever has the token, and shows that Harness was put back',
    async () => {
      const before = { addonTag: `${factory.registry}/harness/ci-addon:1.18.22` };
      factory.setOverrides(before);
      const switching = factory.functions.hold('update-config', 'after');
      const { body } = await ask('/runs', 'POST', { action: 'sync', recheck_days: 1 });
      const { runId } = body as { runId: string };
      const held = await switching;
      expect(factory.overrides()).toEqual(switched);
      const known = await factory.executions();
      expect(await ask(`/runs/${runId}/stop`, 'POST')).toMatchObject({ status: 202, body: { runId } });
      held.release();
      expect(await factory.ended(arnOf(runId))).toMatchObject({ status: 'ABORTED' });
      await factory.executionAfter(known);
      expect(factory.overrides()).toEqual(before);
      expect(await ask(`/runs/${runId}`, 'GET')).toMatchObject({
        status: 200,
        body: {
          status: 'FAILED',
          harness: 'restored',
          // LocalStack, unlike AWS, does not return the reason of a stop.
          error: { name: 'RunStopped', message: expect.stringContaining('put Harness back as it was before') },
        },
      });
      expect(await ask(`/runs/${runId}/stop`, 'POST')).toMatchObject({ status: 202, body: { harness: 'restored' } });
      expect(await ask('/runs/sync-1/stop', 'POST')).toMatchObject({ status: 409 });
      expect(await ask('/runs/no-such-run/stop', 'POST')).toMatchObject({ status: 404 });
    },
    runMs,
  );

  it(
    'does not stop a run that puts Harness back; stopped in the console there, it is put back all the same',
    async () => {
      const before = { addonTag: `${factory.registry}/harness/ci-addon:1.18.22` };
      factory.setOverrides(before);
      factory.functions.fail('verify', { kind: 'dies-before', times: Infinity });
      const rollingBack = factory.functions.hold('rollback');
      const arn = await factory.start('stopped-late', {});
      const held = await rollingBack;
      expect(await ask('/runs/stopped-late/stop', 'POST')).toMatchObject({
        status: 409,
        body: { error: { message: 'the run cannot be stopped: it is putting Harness back' } },
      });
      expect(factory.overrides()).toEqual(switched);
      const known = await factory.executions();
      await factory.stop(arn);
      held.release();
      expect(await factory.ended(arn)).toMatchObject({ status: 'ABORTED' });
      await factory.executionAfter(known);
      factory.functions.heal();
      expect(factory.overrides()).toEqual(before);
      expect(await ask('/runs/stopped-late', 'GET')).toMatchObject({ body: { harness: 'restored' } });
    },
    runMs,
  );

  it(
    'refuses strangers, unknown runs and wrong inputs',
    async () => {
      expect(await ask('/runs', 'POST', {}, {})).toMatchObject({ status: 401 });
      expect(await ask('/runs', 'POST', {}, { authorization: `${authorization}x` })).toMatchObject({ status: 401 });
      expect(await ask('/runs/no-such-run', 'GET')).toMatchObject({ status: 404 });
      for (const input of [{ action: 'everything' }, { prune: true }, scheduledInput])
        expect(await ask('/runs', 'POST', input)).toMatchObject({ status: 400 });
    },
    runMs,
  );
});

describe('what fails around a switch', () => {
  const earlier = 'harness/ci-addon:1.18.20';
  /** The overrides before the run. A run that fails must leave them so. */
  let before: Record<string, string>;
  let run = 0;
  let runId: string;

  beforeAll(() => void pushSamples(factory.target, [`mirror/${earlier}`], { layerBytes: 300 }));
  beforeEach(async () => {
    factory.functions.heal();
    factory.harness.quirks.failNext = [];
    before = { addonTag: `${factory.registry}/${earlier}` };
    factory.setOverrides(before);
    runId = `failure-${++run}`;
    await factory.notifications();
  });
  const always = Infinity;
  const crash = { kind: 'dies-before', times: always } as const;

  /** Runs a sync that fails, and returns its error and cause as the console shows them, with its report. */
  async function failure(): Promise<{ error: string; cause: string; report: Report }> {
    const { status, error = '', cause = '' } = await factory.run(runId, {});
    expect(status).toBe('FAILED');
    const report = (await factory.report(runId)) as Report;
    expect(report).toMatchObject({ status: 'FAILED', error: { name: error } });
    expect(cause).toContain(`runs/${runId}/report.json`);
    expect(cause).toContain(report.error?.hint ?? 'no hint');
    return { error, cause, report };
  }

  it(
    'a verification that cannot be done undoes the switch',
    async () => {
      factory.functions.fail('verify', crash);
      const { error, report } = await failure();
      expect(error).toBe('FunctionCrashed');
      expect(statuses(report)).toEqual(every('rolled-back'));
      expect(factory.overrides()).toEqual(before);
      expect(await factory.lock()).toBeNull();
    },
    runMs,
  );

  it.each([
    ['is not ready, as in a VPC after weeks', { kind: 'not-run', code: 'ResourceNotReadyException', times: 2 }],
    ['dies before it begins', { kind: 'dies-before' }],
    ['dies when it has put everything back', { kind: 'dies-after' }],
  ] as const)(
    'a rollback whose function %s is done all the same',
    async (_, fault) => {
      factory.functions.fail('verify', crash);
      factory.functions.fail('rollback', fault);
      const { error, report } = await failure();
      expect(error).toBe('FunctionCrashed');
      expect(statuses(report)).toEqual(every('rolled-back'));
      expect(factory.overrides()).toEqual(before);
    },
    runMs,
  );

  it(
    'a rollback that cannot be done says which fields are left, and how to restore them',
    async () => {
      factory.functions.fail('verify', crash);
      factory.functions.fail('rollback', { kind: 'not-run', code: 'ResourceNotReadyException', times: always });
      const { error, cause } = await failure();
      expect(error).toBe('RollbackFailed');
      for (const field of Object.keys(fields)) expect(cause).toContain(field);
      const [input = ''] = /\{"action":"restore".*?\}/.exec(cause) ?? [];
      expect(JSON.parse(input)).toEqual({ action: 'restore', restore_run: runId });
      expect(factory.overrides()).toEqual(switched);
      factory.functions.heal();
      expect(await factory.run(`${runId}-restore`, JSON.parse(input) as object)).toMatchObject({ status: 'SUCCEEDED' });
      expect(factory.overrides()).toEqual(before);
    },
    runMs,
  );

  it(
    'a Harness that goes away after the switch is waited for, and put back when it returns',
    async () => {
      const verifying = factory.functions.hold('verify');
      const ended = factory.run(runId, {});
      const held = await verifying;
      expect(factory.overrides()).toEqual(switched);
      factory.harness.quirks.failNext = [{ count: always, status: 503 }];
      const rollbacks = () => factory.functions.calls.filter(({ task }) => task === 'rollback');
      const already = rollbacks().length;
      held.release();
      await factory.functions.until(() => rollbacks().length >= already + 2);
      expect(factory.overrides()).toEqual(switched);
      expect(await factory.lock()).toMatchObject({ runId });
      factory.harness.quirks.failNext = [];
      expect(await ended).toMatchObject({ status: 'FAILED', error: 'HarnessUnreachable' });
      expect(statuses((await factory.report(runId)) as Report)).toEqual(every('rolled-back'));
      expect(factory.overrides()).toEqual(before);
      expect(await factory.lock()).toBeNull();
    },
    runMs,
  );

  it.each([
    ['dies once, its work done', { kind: 'dies-after' }],
    ['is throttled', { kind: 'not-run', code: 'TooManyRequestsException', status: 429, times: 3 }],
  ] as const)(
    'a report whose function %s changes no outcome, and is sent once',
    async (_, fault) => {
      factory.functions.fail('report', fault);
      await reportOf(runId, {});
      expect(factory.overrides()).toEqual(switched);
      expect(await factory.lock()).toBeNull();
      expect(await factory.notifications()).toHaveLength(1);
      expect(await factory.notifications()).toEqual([]);
    },
    runMs,
  );

  it(
    'copies that Lambda throttles for a while arrive',
    async () => {
      for (const image of images) factory.target.storage.deleteRepository(`mirror/${image.replace(/:.*/, '')}`);
      factory.functions.fail('copy', { kind: 'not-run', code: 'TooManyRequestsException', status: 429, times: 20 });
      expect(imageStatuses(await reportOf(runId, {}))).toEqual(
        Object.fromEntries(images.map((image) => [image, 'copied'])),
      );
      expect(factory.overrides()).toEqual(switched);
    },
    runMs,
  );

  it(
    'copies that all crash, with more words than a state may hold, end in a report',
    async () => {
      const extra = Array.from({ length: 20 }, (_, index) => `plugins/extra-${index}:1`);
      pushSamples(factory.source, extra, { layerBytes: 300 });
      factory.functions.fail('copy', { ...crash, message: 'x'.repeat(16_000) });
      const { status, error } = await factory.run(runId, { extra_images: extra });
      expect({ status, error }).toEqual({ status: 'FAILED', error: 'ImagesFailed' });
      const report = (await factory.report(runId)) as Report;
      expect(report.images.filter((image) => image.error?.name === 'FunctionCrashed')).toHaveLength(extra.length);
      expect(factory.overrides()).toEqual(before);
      expect(await factory.lock()).toBeNull();
    },
    runMs,
  );

  it(
    'a key that was corrected after a refusal is used by the functions that are warm',
    async () => {
      await factory.storeApiKey('sat.embedded.token.wrong');
      factory.functions.heal();
      await factory.functions.close();
      const { error } = await failure();
      expect(error).toBe('HarnessUnauthorized');
      expect(factory.overrides()).toEqual(before);
      await factory.storeApiKey(factory.harness.apiKey);
      await reportOf(`${runId}-again`, {});
      expect(factory.overrides()).toEqual(switched);
    },
    runMs,
  );

  it(
    'an execution that is stopped while Harness is switched is put back by itself',
    async () => {
      const switching = factory.functions.hold('update-config', 'after');
      const arn = await factory.start(runId, {});
      const held = await switching;
      expect(factory.overrides()).toEqual(switched);
      const known = await factory.executions();
      await factory.stop(arn);
      // LocalStack, unlike AWS, says so only when the function that is at work has returned.
      held.release();
      expect(await factory.ended(arn)).toMatchObject({ status: 'ABORTED' });
      expect(await factory.executionAfter(known)).toMatchObject({ input: JSON.stringify({ recover_run: runId }) });
      expect(factory.overrides()).toEqual(before);
      expect(await factory.lock()).toBeNull();
      expect(await factory.report(runId)).toMatchObject({ runId, status: 'FAILED', error: { name: 'RunStopped' } });
      expect(await factory.notifications()).toHaveLength(1);
    },
    runMs,
  );
});

describe('a stack', () => {
  it('has its version, its tags, and the next step in its outputs', async () => {
    const { NextCommand, StateMachineArn, Version, WorkflowConsole, StateBucketName } = factory.outputs;
    expect(Version).toBe(release.version);
    expect(NextCommand).toContain(`--state-machine-arn ${StateMachineArn} --input '{"action":"plan"}'`);
    expect(WorkflowConsole).toBe(
      `https://console.aws.amazon.com/states/home?region=${region}#/statemachines/view/${StateMachineArn}`,
    );
    const s3 = new S3Client({ ...factory.aws.config, forcePathStyle: true });
    const { TagSet = [] } = await s3.send(new GetBucketTaggingCommand({ Bucket: StateBucketName }));
    s3.destroy();
    expect(TagSet).toEqual(
      expect.arrayContaining([
        { Key: 'team', Value: 'ci' },
        { Key: 'cost', Value: '42' },
      ]),
    );
  });

  it(
    'stands beside another in one account and region, each with its own key and state',
    async () => {
      await factory.createApiKey('harness-ci-image-factory/Second/api-key');
      const second = await factory.deployAgain({ STACK_NAME: 'Second' });
      for (const output of ['StateMachineArn', 'StateBucketName', 'NotificationTopicArn', 'WebhookUrl'] as const)
        expect(second[output]).not.toBe(factory.outputs[output]);
      const arns = [undefined, second.StateMachineArn].map((machine) =>
        factory.start('beside', { action: 'plan' }, machine),
      );
      for (const arn of arns) expect(await factory.ended(await arn)).toMatchObject({ status: 'SUCCEEDED' });
    },
    2 * runMs,
  );
});

describe('a deployment while a run is at work', () => {
  beforeAll(() => factory.setOverrides({}));

  it(
    'lets the run end with the versions that it began with, and gives later runs the new ones',
    async () => {
      const { functions } = factory;
      const versionsOf = (calls: typeof functions.calls) => [...new Set(calls.map(({ version }) => version))];
      const planned = functions.hold('plan', 'after');
      const arn = await factory.start('before-deployment', {});
      const held = await planned;
      await factory.deployAgain({ MAX_CONCURRENCY: '7' });
      const first = functions.calls.length;
      held.release();
      const { status, cause } = await factory.ended(arn);
      expect({ status, cause }).toEqual({ status: 'SUCCEEDED', cause: undefined });
      expect(factory.overrides()).toEqual(switched);
      const second = functions.calls.length;
      expect(await factory.run('after-deployment', { action: 'plan' })).toMatchObject({ status: 'SUCCEEDED' });
      expect(versionsOf(functions.calls.slice(first, second))).toEqual(['1']);
      expect(versionsOf(functions.calls.slice(second))).toEqual(['2']);
    },
    2 * runMs,
  );
});

describe('a run of many images', () => {
  /** Figures of docs/scale.md are from `IMAGES=300 npm run test:deployed`. */
  const count = Number(process.env['IMAGES'] ?? 40);

  it(
    'keeps its history and its payloads far below the limits of Step Functions',
    async () => {
      const extra = Array.from({ length: count }, (_, index) => `plugins/many-${index}:1`);
      pushSamples(factory.source, extra, { layerBytes: 300 });
      const input = { modify_default: false, extra_images: extra, max_concurrency: 8 };
      const started = performance.now();
      const arn = await factory.start('many', input);
      expect(await factory.ended(arn, 8 * runMs)).toMatchObject({ status: 'SUCCEEDED' });
      const seconds = Math.round((performance.now() - started) / 1_000);
      const { totals } = (await factory.report('many')) as Report;
      expect(totals.failed).toBe(0);
      // The images of the fields are copied too, if no run before this one has.
      expect(totals.copied).toBeGreaterThanOrEqual(count);
      const history = await factory.history(arn);
      const payload = Math.max(...history.map((event) => Buffer.byteLength(JSON.stringify(event))));
      console.info(`${totals.copied} copies: ${seconds} s, ${history.length} events, largest event ${payload} bytes`);
      // 1,000 copies must fit 25,000 events. The largest event has the report, which is shortened before 262,144 bytes.
      expect(history.length).toBeLessThan(200 + 15 * totals.copied);
      expect(payload).toBeLessThan(262_144);
    },
    10 * runMs,
  );
});
