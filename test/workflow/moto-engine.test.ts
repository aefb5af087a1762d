import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { motoInstalled, type MotoEngine, startMotoEngine } from './moto-engine.ts';

class Named extends Error {
  constructor(name: string, message: string) {
    super(message);
    this.name = name;
  }
}

const task = (fn: string, more: object) => ({
  Type: 'Task',
  Resource: '${LambdaInvoke}',
  Parameters: { FunctionName: `\${${fn}Function}`, 'Payload.$': '$' },
  TimeoutSeconds: 60,
  ...more,
});

/** Plan, a Map of retried and caught copies that loop through a Wait, and a report that decides the end. */
const definition = {
  StartAt: 'Plan',
  States: {
    Plan: task('Plan', { ResultSelector: { 'plan.$': '$.Payload' }, Next: 'Copy' }),
    Copy: {
      Type: 'Map',
      ItemsPath: '$.plan.items',
      MaxConcurrencyPath: '$.plan.maxConcurrency',
      ItemSelector: { 'item.$': '$$.Map.Item.Value' },
      ResultPath: '$.copies',
      ItemProcessor: {
        ProcessorConfig: { Mode: 'INLINE' },
        StartAt: 'CopyItem',
        States: {
          CopyItem: task('Copy', {
            ResultSelector: { 'status.$': '$.Payload.status' },
            ResultPath: '$.result',
            Retry: [{ ErrorEquals: ['RegistryThrottled'], IntervalSeconds: 60, MaxAttempts: 2, BackoffRate: 2 }],
            Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.error', Next: 'Failed' }],
            Next: 'Again',
          }),
          Again: {
            Type: 'Choice',
            Choices: [{ Variable: '$.result.status', StringEquals: 'continue', Next: 'Pause' }],
            Default: 'Copied',
          },
          Pause: { Type: 'Wait', Seconds: 3600, Next: 'CopyItem' },
          Copied: { Type: 'Pass', Parameters: { 'item.$': '$.item', 'status.$': '$.result.status' }, End: true },
          Failed: {
            Type: 'Pass',
            Parameters: { 'item.$': '$.item', status: 'failed', 'error.$': '$.error' },
            End: true,
          },
        },
      },
      Next: 'Report',
    },
    Report: task('Report', { OutputPath: '$.Payload', Next: 'Outcome' }),
    Outcome: {
      Type: 'Choice',
      Choices: [{ Variable: '$.status', StringEquals: 'FAILED', Next: 'Fail' }],
      Default: 'Succeed',
    },
    Fail: { Type: 'Fail', ErrorPath: '$.error.name', CausePath: '$.error.message' },
    Succeed: { Type: 'Succeed' },
  },
};

interface Copy {
  item: string;
  status: string;
  error?: { Error: string; Cause: string };
}

/** Functions that do what an item's name says, and the log of their calls. */
function functions() {
  const calls: string[] = [];
  const attempts = new Map<string, number>();

  async function copy(item: string) {
    const attempt = (attempts.get(item) ?? 0) + 1;
    attempts.set(item, attempt);
    if (item === 'throttled' && attempt < 3) throw new Named('RegistryThrottled', '429');
    if (item === 'always-throttled') throw new Named('RegistryThrottled', '429');
    if (item === 'corrupt') throw new Named('DigestMismatch', 'not the same bytes');
    return { status: item === 'large' && attempt < 3 ? 'continue' : 'copied' };
  }

  async function invoke(fn: string, payload: unknown): Promise<unknown> {
    if (fn === 'PlanFunction') return payload;
    if (fn === 'CopyFunction') {
      const { item } = payload as { item: string };
      calls.push(item);
      return await copy(item);
    }
    const { copies } = payload as { copies: Copy[] };
    const failed = copies.filter((c) => c.status === 'failed').map((c) => c.item);
    if (failed.length === 0) return { status: 'SUCCEEDED', copies };
    return { status: 'FAILED', copies, error: { name: 'ImagesFailed', message: failed.join() } };
  }
  return { invoke, calls };
}

(motoInstalled() ? describe : describe.skip)('the moto workflow engine', () => {
  let engine: MotoEngine;
  beforeAll(async () => {
    engine = await startMotoEngine();
  }, 60_000);
  afterAll(async () => {
    await engine?.close();
  });

  const copied = (items: string[]) => items.map((item) => ({ item, status: 'copied' }));

  it('runs tasks, Map and Choice to the output of the last state', async () => {
    const { invoke, calls } = functions();
    const outcome = await engine.run(definition, { items: ['a', 'b'], maxConcurrency: 1 }, invoke);
    expect(outcome).toEqual({ status: 'SUCCEEDED', output: { status: 'SUCCEEDED', copies: copied(['a', 'b']) } });
    expect(calls).toEqual(['a', 'b']);
  }, 60_000);

  it('retries by error name, at once, and loops through Wait states at once', async () => {
    const { invoke, calls } = functions();
    const outcome = await engine.run(definition, { items: ['throttled', 'large'], maxConcurrency: 1 }, invoke);
    expect(outcome.output).toMatchObject({ copies: copied(['throttled', 'large']) });
    expect(calls).toEqual(['throttled', 'throttled', 'throttled', 'large', 'large', 'large']);
  }, 60_000);

  it('catches a thrown error, whose Cause is the JSON that Lambda makes of it', async () => {
    const { invoke, calls } = functions();
    let report: { copies: Copy[] } | undefined;
    const outcome = await engine.run(
      definition,
      { items: ['corrupt', 'always-throttled'], maxConcurrency: 1 },
      async (fn, payload) => {
        if (fn === 'ReportFunction') report = payload as { copies: Copy[] };
        return invoke(fn, payload);
      },
    );
    expect(calls).toEqual(['corrupt', 'always-throttled', 'always-throttled', 'always-throttled']);
    const [corrupt, throttled] = report?.copies ?? [];
    expect(corrupt?.error?.Error).toBe('DigestMismatch');
    expect(JSON.parse(corrupt?.error?.Cause ?? '')).toEqual({
      errorType: 'DigestMismatch',
      errorMessage: 'not the same bytes',
      trace: [],
    });
    expect(throttled?.error?.Error).toBe('RegistryThrottled');
    expect(outcome).toEqual({ status: 'FAILED', error: 'ImagesFailed', cause: 'corrupt,always-throttled' });
  }, 60_000);

  it('fails an execution with an error that no state catches', async () => {
    const outcome = await engine.run(definition, {}, async () => {
      throw new Named('InvalidInput', 'nothing to plan');
    });
    expect(outcome).toMatchObject({ status: 'FAILED', error: 'InvalidInput' });
    expect(JSON.parse(outcome.cause ?? '')).toMatchObject({ errorMessage: 'nothing to plan' });
  }, 60_000);

  it('keeps to the concurrency of MaxConcurrencyPath, and reaches it', async () => {
    const { invoke } = functions();
    let open = 0;
    let mostOpen = 0;
    let pair: (() => void)[] = [];
    const outcome = await engine.run(
      definition,
      { items: ['a', 'b', 'c', 'd'], maxConcurrency: 2 },
      async (fn, payload) => {
        if (fn === 'CopyFunction') {
          mostOpen = Math.max(mostOpen, ++open);
          // Copies end in pairs only: an engine that ran one at a time would never end.
          await new Promise<void>((resolve) => {
            pair.push(resolve);
            if (pair.length < 2) return;
            for (const release of pair) release();
            pair = [];
          });
          open--;
        }
        return invoke(fn, payload);
      },
    );
    expect(outcome.status).toBe('SUCCEEDED');
    expect(mostOpen).toBe(2);
  }, 60_000);

  it('runs several executions at once, each with its own functions and name', async () => {
    const outcomes = await Promise.all(
      ['x', 'y'].map(async (item) => {
        const { invoke, calls } = functions();
        const outcome = await engine.run(definition, { items: [item], maxConcurrency: 1 }, invoke, `nightly-${item}`);
        return { status: outcome.status, calls };
      }),
    );
    expect(outcomes).toEqual([
      { status: 'SUCCEEDED', calls: ['x'] },
      { status: 'SUCCEEDED', calls: ['y'] },
    ]);
  }, 60_000);

  it('hands the execution name to the workflow', async () => {
    const named = {
      StartAt: 'Name',
      States: { Name: { Type: 'Pass', Parameters: { 'name.$': '$$.Execution.Name' }, End: true } },
    };
    const outcome = await engine.run(named, {}, async () => undefined, 'nightly-2026-11-22');
    expect(outcome.output).toEqual({ name: 'nightly-2026-11-22' });
  }, 60_000);

  it('refuses a definition that is no state machine', async () => {
    await expect(engine.run({ States: {} }, {}, async () => undefined)).rejects.toMatchObject({
      name: 'InvalidDefinition',
    });
  }, 60_000);
});
