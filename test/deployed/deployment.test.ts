import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Report } from '../../functions/run/documents.ts';
import { imageStatuses, statuses } from '../tasks/factory.ts';
import { type Deployment, deploy } from './deployment.ts';
import { askFunctionUrl } from './function-url.ts';

const fields = { addonTag: 'harness/ci-addon:1.18.22', liteEngineTag: 'harness/ci-lite-engine:1.18.22' };
const images = Object.values(fields);
/** Of one execution, on a machine that does other things as well. */
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

const writes = () =>
  factory.harness.requests.filter(({ method, path }) => method === 'POST' && path.includes('/execution-config/'));
const every = (status: string) => Object.fromEntries(Object.keys(fields).map((field) => [`ci K8 ${field}`, status]));

describe('the runs of a deployment, one after the other', () => {
  let writesBefore: number;
  beforeEach(() => {
    writesBefore = writes().length;
  });

  it(
    'sync copies every image and points Harness at the copies',
    async () => {
      const report = await reportOf('sync-1', {});
      expect(imageStatuses(report)).toEqual(Object.fromEntries(images.map((image) => [image, 'copied'])));
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
    'another sync copies nothing and writes nothing to Harness',
    async () => {
      const report = await reportOf('sync-2', {});
      expect(report.totals).toMatchObject({ copied: 0, failed: 0, bytesTransferred: 0 });
      expect(statuses(report)).toEqual(every('unchanged'));
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

describe('the webhook, by its Function URL,', () => {
  let authorization: string;
  beforeAll(async () => {
    authorization = `Bearer ${await factory.webhookToken()}`;
  });
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
      await factory.ended(`${factory.outputs.StateMachineArn.replace(':stateMachine:', ':execution:')}:${runId}`);
      expect(await ask(`/runs/${runId}`, 'GET')).toMatchObject({ status: 200, body: { runId, status: 'SUCCEEDED' } });
    },
    runMs,
  );

  it(
    'refuses strangers, unknown runs and wrong inputs',
    async () => {
      expect(await ask('/runs', 'POST', {}, {})).toMatchObject({ status: 401 });
      expect(await ask('/runs', 'POST', {}, { authorization: `${authorization}x` })).toMatchObject({ status: 401 });
      expect(await ask('/runs/no-such-run', 'GET')).toMatchObject({ status: 404 });
      expect(await ask('/runs', 'POST', { action: 'everything' })).toMatchObject({ status: 400 });
    },
    runMs,
  );
});
