import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { copy, type CopyTaskResult } from '../../functions/copy/copy.ts';
import { anonymous } from '../../functions/oci/registry/auth/credentials.ts';
import { Deadline } from '../../functions/oci/copy/deadline.ts';
import type { Report } from '../../functions/state/documents.ts';
import { type ProgressEvent, Runtime } from '../../functions/runtime/runtime.ts';
import { parseConfiguration } from '../../functions/settings/configuration.ts';
import { handle } from '../../functions/lambda/handle.ts';
import type { TaskRun } from '../../functions/runtime/task-run.ts';
import type { Image } from '../../infra/local/embedded/registry/storage.ts';
import type { PushSamplesOptions } from '../../infra/local/embedded/sample-images.ts';
import { type Definition, runWorkflow, type WorkflowOutcome } from '../../infra/local/engine.ts';
import { tasks } from '../../infra/local/tasks.ts';
import { readWorkflowDefinition } from '../../infra/workflow-definition.ts';
import { ByteClock } from '../oci/copy/calls.ts';
import { received } from '../oci/connect.ts';
import { artifact } from '../oci/stored-images.ts';
import { logLines } from '../telemetry/log-lines.ts';
import { type Factory, startFactory } from './factory.ts';

const MiB = 1024 * 1024;
const runId = 'run-1';
const image = 'plugins/cache:1.10.12';
const input = { include_fields: ['cacheS3Tag'] };
/** Room for one part. */
const callBytes = 10 * MiB;

let factory: Factory;
let sample: Image;
let events: ProgressEvent[];
let answers: CopyTaskResult[];
let runtime: Runtime;

beforeEach(async () => {
  factory = await startFactory({ samples: {} });
  events = [];
  answers = [];
  runtime = startRuntime();
});
afterEach(async () => {
  await runtime.close();
  await factory.close();
});

/** Publishes an image whose largest layers have two parts or more. With one platform it needs fewer calls. */
function publishLarge(platforms?: PushSamplesOptions['platforms']): void {
  const options = platforms ? { layerBytes: 7 * MiB, platforms } : { layerBytes: 9 * MiB };
  [sample] = factory.publish([image], options) as [Image];
}
const onePlatform = [{ os: 'linux', architecture: 'amd64' }];

function blobsOf(root: Image): [string, Buffer][] {
  return [...root.blobs, ...root.children.flatMap((child) => blobsOf(child))];
}

const clock = new ByteClock();

function startRuntime(): Runtime {
  return new Runtime({
    configuration: parseConfiguration({
      HARNESS_URL: factory.harness.url,
      HARNESS_API_KEY: factory.harness.apiKey,
      SOURCE_REGISTRY: factory.source.host,
      REGISTRY_NAME: factory.registry,
    }),
    store: factory.store,
    harnessApiKey: async () => factory.harness.apiKey,
    credentials: anonymous,
    repositories: { ensure: async () => undefined, deleteImages: async () => false },
    retry: { attempts: 2, baseMs: 1, maxMs: 2 },
    readBackPausesMs: [1, 2, 4],
    onProgress: (event) => {
      events.push(event);
      if (event.kind === 'image-progress') clock.pass(event.bytes);
    },
  });
}

/** Runs the workflow with a deadline for every call of the copy. */
async function sync(deadline: () => Deadline, more: object = {}): Promise<WorkflowOutcome> {
  const definition = JSON.parse(readWorkflowDefinition()) as Definition;
  const invoke = async (name: string, payload: unknown) => {
    if (name !== 'CopyFunction') return tasks[name]?.(payload as never, { runtime });
    const answer = await copy(payload as never, { runtime, signal: undefined, deadline: deadline() });
    answers.push(answer);
    return answer;
  };
  return runWorkflow(definition, { input: { action: 'sync', ...input, ...more }, name: runId, invoke });
}

const stateKey = `runs/${runId}/images/0-state.json`;

describe('a sync whose image needs several calls', () => {
  const expectCopied = (outcome: WorkflowOutcome) => {
    const sizes = new Map(blobsOf(sample));
    const size = [...sizes.values()].reduce((sum, { length }) => sum + length, 0);
    const report = outcome.output as Report;
    expect(report).toMatchObject({ status: 'SUCCEEDED', images: [{ image, status: 'copied' }] });
    expect(factory.arrived(image)).toBe(factory.official(image));
    const { bytesTransferred, bytesSkipped } = report.totals;
    expect(bytesTransferred + bytesSkipped).toBe(size);
    return { size, bytesTransferred };
  };

  it('continues over several calls of the workflow, and counts every byte once', async () => {
    publishLarge();
    const sizes: number[] = [];
    factory.store.onPut = async (key) => {
      if (key === stateKey) sizes.push((await factory.store.get(key))?.length ?? 0);
    };
    const { size, bytesTransferred } = expectCopied(await sync(() => clock.deadline(callBytes)));
    const paused = answers.filter(({ status }) => status === 'continue');
    expect(paused.length).toBeGreaterThan(1);
    expect(answers).toEqual([...paused, { status: 'copied', waitSeconds: 0 }]);
    expect(bytesTransferred).toBe(size);
    expect(received(factory.target) / size).toBeLessThanOrEqual(1.02);
    expect(sizes).toHaveLength(paused.length);
    expect(Math.max(...sizes)).toBeLessThan(64 * 1024);
    const told = events.flatMap((event) => ('image' in event && event.image === image ? [event] : []));
    expect(told.filter(({ kind }) => kind === 'image-started')).toHaveLength(1);
    expect(told.filter(({ kind }) => kind === 'image-finished')).toHaveLength(1);
    const moved = told.reduce((sum, event) => sum + (event.kind === 'image-progress' ? event.bytes : 0), 0);
    expect(moved).toBe(size);
  });

  it.each([
    ['is no JSON', 'garbage'],
    ['is something else', '[7]'],
    ['is of another shape', '{"checkpoint": 1, "image": {}, "done": "much"}'],
    [
      'is half wrong',
      '{"image":{"bytesTransferred":1,"bytesSkipped":1},"referrers":{"bytesTransferred":0,"bytesSkipped":0},"done":1,"idleCalls":0,"setbacks":0,"registries":[7]}',
    ],
  ])('ends well when what a call has left %s', async (_, text) => {
    publishLarge(onePlatform);
    let damaged = 0;
    factory.store.onPut = async (key) => {
      if (key !== stateKey || damaged++ > 0) return;
      await factory.store.put(key, Buffer.from(text));
    };
    expectCopied(await sync(() => clock.deadline(callBytes)));
    expect(damaged).toBeGreaterThan(1);
  });

  it('ends well when each call is another process', async () => {
    publishLarge();
    const processes: Runtime[] = [];
    const outcome = await sync(() => {
      processes.push(runtime);
      runtime = startRuntime();
      return clock.deadline(callBytes);
    });
    await Promise.all(processes.map((process) => process.close()));
    expectCopied(outcome);
    expect(new Set(processes).size).toBeGreaterThan(2);
  });

  it('fails with a reason after five calls in a row without progress', async () => {
    publishLarge(onePlatform);
    const outcome = await sync(() => clock.deadline(-MiB));
    expect(answers.map(({ status }) => status)).toEqual([...Array<string>(4).fill('continue'), 'failed']);
    const report = await factory.document<Report>(`runs/${runId}/report.json`);
    expect(outcome.status).toBe('FAILED');
    expect(report.images[0]?.error).toMatchObject({ name: 'RegistryFailed' });
    expect(report.images[0]?.error?.message).toContain('5 calls in a row copied no more than');
    expect(factory.writes()).toEqual([]);
  });
});

it('continues with the referrers after a deadline, and counts every byte once', async () => {
  const content = randomBytes(MiB);
  [sample] = factory.publish([image], { revision: 1 }) as [Image];
  const signature = artifact('application/vnd.acme.report', content, sample);
  factory.source.storage.putImage('plugins/cache', undefined, signature);
  const ring = setInterval(() => {
    if (factory.source.faults.hits === 0) return;
    clearInterval(ring);
    clock.ring();
  }, 1);
  factory.source.faults.add({
    match: { method: 'GET', path: new RegExp([...signature.blobs.keys()].at(-1) ?? '') },
    act: 'stall',
    afterBytes: 1000,
  });
  const outcome = await sync(() => clock.deadline(100 * MiB), { referrers: 'all' });
  expect(answers.map(({ status }) => status)).toEqual(['continue', 'copied']);
  const size = [...new Map(blobsOf(sample)), ...signature.blobs].reduce((sum, [, { length }]) => sum + length, 0);
  const { bytesTransferred } = (outcome.output as Report).totals;
  // The empty config beside it may have arrived before the pause, or in that moment.
  expect(size - bytesTransferred).toBeLessThanOrEqual(2);
  expect(bytesTransferred).toBeLessThanOrEqual(size);
  expect(factory.target.storage.manifest('mirror/plugins/cache', signature.digest)).toBeDefined();
});

describe('a registry that requests a pause', () => {
  const throttle = (seconds: number, times: number) =>
    factory.source.faults.add({
      match: { method: 'GET', path: /\/blobs\//, times },
      act: { status: 429, headers: { 'retry-after': String(seconds) } },
    });
  const inTenMinutes = () => Deadline.in(600_000);

  /** The plan's part of the run. */
  async function plan(): Promise<void> {
    await tasks['PlanFunction']?.({ runId, input: { action: 'sync', ...input } } as never, { runtime });
  }
  const event = { runId, image: 0 };
  const run = (deadline?: Deadline): TaskRun => ({ runtime, signal: undefined, deadline });

  it('lets the workflow wait for a throttled registry, not a running function', async () => {
    await plan();
    throttle(3_600, 99);
    const { status, waitSeconds } = await copy(event, run(inTenMinutes()));
    expect(status).toBe('continue');
    expect(waitSeconds).toBeGreaterThan(3_500);
    expect(waitSeconds).toBeLessThanOrEqual(3_600);
    const reason = `${factory.source.host} requested a pause`;
    expect(events).toContainEqual({ kind: 'wait', subject: image, reason, seconds: waitSeconds });
    factory.source.faults.clear();
    expect(await copy(event, run(inTenMinutes()))).toEqual({ status: 'copied', waitSeconds: 0 });
  });

  it('fails when a registry requires a pause that nobody can wait for', async () => {
    await plan();
    throttle(3_600, 99);
    expect(await copy(event, run())).toEqual({ status: 'failed', waitSeconds: 0 });
  });

  it('fails after repeated throttling, and names the registry', async () => {
    await plan();
    throttle(3_600, 999);
    const statuses: string[] = [];
    for (let call = 0; call < 5; call++) statuses.push((await copy(event, run(inTenMinutes()))).status);
    expect(statuses).toEqual(['continue', 'continue', 'continue', 'continue', 'failed']);
    expect(await factory.document(`runs/${runId}/images/0.json`)).toMatchObject({
      error: { name: 'RegistryThrottled' },
    });
  });
});

describe('a task on Lambda', () => {
  afterEach(() => void jest.restoreAllMocks());

  it('ends its work a minute before Lambda ends the call', async () => {
    jest.replaceProperty(process, 'env', {
      HARNESS_API_KEY: 'pat.account.id.key',
      STATE_BUCKET: 'state',
      AWS_REGION: 'eu-west-1',
    });
    const left = handle(async (_: object, { deadline }: TaskRun) => (deadline?.stopAt ?? 0) - Date.now());
    const context = { remaining: 900_000, getRemainingTimeInMillis: lambdaTime };
    let ms = 0;
    await logLines(async () => {
      ms = await left({}, context);
    });
    expect(ms).toBeGreaterThan(800_000);
    expect(ms).toBeLessThanOrEqual(840_000);
  });
});

/** Returns the remaining time, as a method, as Lambda's context has it. */
function lambdaTime(this: { remaining: number }): number {
  return this.remaining;
}
