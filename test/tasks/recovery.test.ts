import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { rollback } from '../../functions/rollback/rollback.ts';
import { updateConfig } from '../../functions/update-config/update-config.ts';
import type { Notification, Report } from '../../functions/state/documents.ts';
import { lockSchema, type Lock } from '../../functions/state/lock.ts';
import { Patience } from '../../functions/runtime/patience.ts';
import type { ExecutionEnd } from '../../functions/runtime/runtime.ts';
import { updateJson } from '../../functions/state/object-store.ts';
import { tasks } from '../../infra/local/tasks.ts';
import { type Factory, startFactory, statuses } from './factory.ts';

const before = { gitCloneTag: 'harness/drone-git:1.5.0' };
let factory: Factory;
let executions: Map<string, ExecutionEnd>;
let notified: Notification[];
let notes: string[];
const original = { ...tasks };
/** Runs that nobody calls any more, and how they are let go when the test is over. */
let stoppedRuns: { release: () => void; run: Promise<unknown> }[];

beforeEach(async () => {
  executions = new Map([['stopped', { status: 'ABORTED' }]]);
  notified = [];
  notes = [];
  stoppedRuns = [];
  factory = await startFactory({
    findExecution: async (name) => executions.get(name),
    patience: new Patience(3_600_000),
    notify: async (notification) => void notified.push(notification),
    onNote: (note) => notes.push(note),
  });
  const account = factory.harness.state[factory.harness.accountId];
  if (account) account.ci.K8 = { ...before };
});
afterEach(async () => {
  Object.assign(tasks, original);
  for (const { release } of stoppedRuns) release();
  await Promise.all(stoppedRuns.map(({ run }) => run));
  await factory.close();
});

/** Starts a run that ends silently before a task: neither that task nor a later one is called. */
async function stopAt(task: string, start = () => factory.sync({}, { runId: 'stopped' })): Promise<void> {
  const reached = Promise.withResolvers<void>();
  const end = Promise.withResolvers<never>();
  end.promise.catch(() => undefined);
  Object.assign(tasks, {
    [task]: () => {
      reached.resolve();
      return end.promise;
    },
  });
  stoppedRuns.push({ release: () => end.reject(new Error('the test is over')), run: start() });
  await reached.promise;
  Object.assign(tasks, original);
}

const recover = (runId: string, stopped = 'stopped') => factory.run('', { recover_run: stopped }, { runId });
const reportOf = (runId: string) => factory.document<Report>(`runs/${runId}/report.json`);

async function lockNow(): Promise<Lock | null | undefined> {
  let now: Lock | null | undefined;
  await updateJson(factory.store, 'locks/embedded.json', lockSchema, (lock) => void (now = lock));
  return now;
}

describe('a run whose execution was stopped while Harness was switched', () => {
  it('rolls a stopped run back, releases its lock, and reports its end once', async () => {
    await stopAt('VerifyFunction');
    expect(factory.overrides()).not.toEqual(before);
    expect((await lockNow())?.runId).toBe('stopped');
    const recovery = await recover('recovery-1');
    expect(factory.overrides()).toEqual(before);
    expect(await lockNow()).toBeNull();
    expect(recovery).toMatchObject({ status: 'SUCCEEDED', action: 'sync', runId: 'recovery-1' });
    expect(recovery.reason).toMatch(/^run stopped: somebody stopped the execution.*put Harness back/);
    const report = await reportOf('stopped');
    expect(report).toMatchObject({
      status: 'FAILED',
      runId: 'stopped',
      error: { name: 'RunStopped', message: expect.stringContaining('does not record who; run recovery-1 put') },
    });
    // Its error says that already.
    expect(report.warnings).not.toContainEqual(expect.stringContaining('somebody stopped the execution'));
    expect(new Set(Object.values(statuses(report)))).toEqual(new Set(['rolled-back']));
    expect(notified.map(({ subject }) => subject)).toEqual(['Harness CI images: sync FAILED (RunStopped)']);
    // EventBridge may deliver twice.
    expect(await recover('recovery-2')).toMatchObject({
      status: 'SKIPPED',
      reason: 'run stopped is not rolled back: it has a report',
    });
    expect((await factory.sync()).status).toBe('SUCCEEDED');
  });

  it.each([
    ['TIMED_OUT', {}, /ran longer than the workflow allows/],
    ['FAILED', { error: 'States.DataLimitExceeded', cause: 'too much' }, /States.DataLimitExceeded: too much/],
  ])('rolls back a run that ended as %s as well', async (status, more, message) => {
    executions.set('stopped', { status, ...more });
    await stopAt('VerifyFunction');
    await recover('recovery-1');
    expect(factory.overrides()).toEqual(before);
    expect((await reportOf('stopped'))?.error?.message).toMatch(message);
  });

  it('writes nothing more, although a function of it is still running', async () => {
    await stopAt('UpdateConfigFunction');
    await recover('recovery-1');
    await expect(factory.task(updateConfig, { runId: 'stopped' })).rejects.toMatchObject({ name: 'LockLost' });
    expect(factory.writes()).toEqual([]);
    expect(factory.overrides()).toEqual(before);
  });

  it('rolls back again after a function that was still writing', async () => {
    await stopAt('VerifyFunction');
    const switched = factory.overrides();
    const key = 'runs/stopped/writes.json';
    const writes = await factory.document<object>(key);
    const put = (document: object) => factory.store.put(key, new TextEncoder().encode(JSON.stringify(document)));
    await put({ ...writes, since: new Date().toISOString() });
    const push = notes.push.bind(notes);
    notes.push = (...messages) => {
      if (messages[0]?.includes('may still be writing')) {
        // The late write arrives, and its function ends.
        const account = factory.harness.state[factory.harness.accountId];
        if (account) account.ci.K8 = { ...switched };
        void put(writes);
      }
      return push(...messages);
    };
    expect((await recover('recovery-1')).status).toBe('SUCCEEDED');
    expect(notes.join()).toContain('a function of run stopped may still be writing');
    expect(factory.overrides()).toEqual(before);
  });

  it('continues a rollback during which the execution was stopped, and lets its function write nothing more', async () => {
    const switched: object[] = [];
    Object.assign(tasks, {
      VerifyFunction: () => {
        switched.push(factory.overrides());
        return Promise.reject(new Error('the switch cannot be verified'));
      },
    });
    await stopAt('RollbackFunction');
    expect(factory.overrides()).toEqual(switched[0]);
    expect(factory.overrides()).not.toEqual(before);
    expect((await recover('recovery-1')).status).toBe('SUCCEEDED');
    expect(factory.overrides()).toEqual(before);
    expect((await reportOf('stopped'))?.error?.name).toBe('RunStopped');
    expect(await lockNow()).toBeNull();
    const writes = factory.writes().length;
    await factory.task(rollback, { runId: 'stopped' });
    expect(factory.writes()).toHaveLength(writes);
  });

  it('names in its report whoever stopped the run through the webhook', async () => {
    executions.set('stopped', { status: 'ABORTED', error: 'RunStopped', cause: 'arn:one stopped the run' });
    await stopAt('VerifyFunction');
    await recover('recovery-1');
    expect((await reportOf('stopped'))?.error?.message).toBe(
      'arn:one stopped the run; run recovery-1 put Harness back as it was before',
    );
  });

  it('reports a failed rollback of a stopped run in both reports', async () => {
    await factory.close();
    factory = await startFactory({ findExecution: async (name) => executions.get(name) });
    await stopAt('VerifyFunction');
    factory.harness.quirks.failNext = [{ count: 10_000, status: 503, path: 'ci/execution-config' }];
    const recovery = await recover('recovery-1');
    for (const document of [recovery, await reportOf('stopped')])
      expect(document).toMatchObject({
        status: 'FAILED',
        error: { name: 'RollbackFailed', hint: expect.stringContaining('--run stopped') },
      });
    expect(recovery.error?.message).toContain('(after RunStopped: somebody stopped');
  });
});

describe('a run whose execution was stopped before or after that', () => {
  it('reports a stopped run that had switched nothing, and releases its lock', async () => {
    await stopAt('CopyFunction');
    expect((await recover('recovery-1')).status).toBe('SUCCEEDED');
    expect(factory.writes()).toEqual([]);
    expect(await lockNow()).toBeNull();
    expect((await reportOf('stopped'))?.error).toMatchObject({
      name: 'RunStopped',
      message: expect.stringContaining('Harness is as it was before'),
    });
  });

  it('keeps a verified switch, and reports that as a success', async () => {
    await stopAt('ReportFunction');
    const switched = factory.overrides();
    await recover('recovery-1');
    expect(factory.overrides()).toEqual(switched);
    expect(await reportOf('stopped')).toMatchObject({
      status: 'SUCCEEDED',
      warnings: expect.arrayContaining([
        expect.stringMatching(/somebody stopped the execution.*complete and verified, and is kept/),
      ]),
    });
    expect(await lockNow()).toBeNull();
  });

  it('reports a stopped run that had no plan yet', async () => {
    expect((await recover('recovery-1')).status).toBe('SUCCEEDED');
    expect((await reportOf('stopped'))?.error?.name).toBe('RunStopped');
  });
});

describe('the limits of a recovery', () => {
  it('leaves a run alone that is running, unknown, or rolled another one back', async () => {
    await stopAt('VerifyFunction');
    executions.set('stopped', { status: 'RUNNING' });
    expect((await recover('recovery-1')).reason).toContain('its execution is RUNNING');
    expect((await recover('recovery-2', 'nobody')).reason).toContain('there is no such execution');
    expect((await lockNow())?.runId).toBe('stopped');
    expect(factory.overrides()).not.toEqual(before);
  });

  it('leaves a run alone whose lock another run has taken since', async () => {
    await stopAt('VerifyFunction');
    await updateJson(factory.store, 'locks/embedded.json', lockSchema, (lock) => lock && { ...lock, runId: 'next' });
    expect((await recover('recovery-1')).reason).toContain('run next (sync) has held the lock');
    expect(factory.overrides()).not.toEqual(before);
  });

  it('leaves a stopped recovery alone: whoever stopped it wants Harness unchanged', async () => {
    await stopAt('VerifyFunction');
    await stopAt('RollbackFunction', () => recover('recovery-1'));
    executions.set('recovery-1', { status: 'ABORTED' });
    expect((await recover('recovery-2', 'recovery-1')).reason).toContain('it was itself rolling back another run');
    // A person may ask for it, though.
    expect((await recover('recovery-3')).status).toBe('SUCCEEDED');
    expect(factory.overrides()).toEqual(before);
    expect(await lockNow()).toBeNull();
  });

  it('refuses recover_run in the input of a user', async () => {
    await factory.close();
    factory = await startFactory();
    expect((await recover('recovery-1')).error).toMatchObject({ name: 'InvalidInput' });
  });
});
