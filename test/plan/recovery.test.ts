import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { planRecovery, stoppedRunOf } from '../../functions/plan/recovery.ts';
import type { Plan } from '../../functions/state/documents.ts';
import { lockSchema } from '../../functions/state/lock.ts';
import type { ExecutionEnd } from '../../functions/runtime/runtime.ts';
import { getJson } from '../../functions/state/object-store.ts';
import { accountId, planOf, setStage, type Stage } from '../tasks/stage.ts';
import { noTotals } from '../tasks/no-totals.ts';

const stopped = 'stopped';
const me = 'recovery';
const startedAt = new Date('2026-01-01T00:00:00.000Z');

let executions: Record<string, ExecutionEnd>;
let stage: Stage;
beforeEach(() => {
  executions = { [stopped]: { status: 'ABORTED' } };
  stage = setStage({ findExecution: async (runId) => executions[runId] });
});
afterEach(() => {
  jest.useRealTimers();
});

const lockNow = () => getJson(stage.store, `locks/${accountId}.json`, lockSchema);
const ofStopped = () => stage.runtime.run(stopped);

/** A run that had its lock, and a snapshot unless it had not come to that. */
async function switched({ plan = {}, snapshot = true }: { plan?: Partial<Plan>; snapshot?: boolean } = {}) {
  await stage.runtime.lock.take({ runId: stopped, action: 'sync' }, accountId);
  await ofStopped().plan.put(planOf({ runId: stopped, ...plan }));
  if (snapshot) await ofStopped().snapshot.put({ runId: stopped, accountId, takenAt: '', scopes: [] });
}

async function recover(runId = me) {
  const result = await planRecovery(runId, stopped, startedAt, stage.runtime);
  return { result, plan: await stage.runtime.run(runId).plan.get() };
}

/** Plans a recovery that is skipped, and returns its reason. */
const skipped = async () => {
  const { result, plan } = await recover();
  expect(result.route).toBe('report');
  expect(plan).not.toHaveProperty('recovers');
  return plan.skipped;
};

describe('the input of a recovery', () => {
  it.each<[unknown, string | undefined]>([
    [{ recover_run: 'nightly-1' }, 'nightly-1'],
    [{ recover_run: 'a/b' }, undefined],
    [{ recover_run: 7 }, undefined],
    [{ recover_run: 'nightly-1', action: 'sync' }, undefined],
    [{ action: 'sync' }, undefined],
    [undefined, undefined],
  ])('%j names the run %s', (input, run) => {
    expect(stoppedRunOf(input, stage.runtime)).toBe(run);
  });

  it('ignores recover_run where runs are not executions', () => {
    expect(stoppedRunOf({ recover_run: 'nightly-1' }, setStage().runtime)).toBeUndefined();
  });
});

describe('a run that was stopped', () => {
  it('plans the rollback of a stopped run, under its own lock', async () => {
    await switched({ plan: { action: 'reset', registry: { registry: 'theirs.example', prefix: 'p' } } });
    expect(await recover()).toEqual({
      result: { runId: me, route: 'rollback', waves: [], maxConcurrency: 1, scan: false, prune: false },
      plan: planOf({
        runId: me,
        action: 'reset',
        startedAt: startedAt.toISOString(),
        registry: { registry: 'theirs.example', prefix: 'p' },
        recovers: {
          runId: stopped,
          ended: 'somebody stopped the execution; Step Functions does not record who',
          verified: false,
        },
      }),
    });
    expect(await lockNow()).toMatchObject({ runId: me, action: 'reset' });
    expect(await ofStopped().recovery.get()).toEqual({ by: me });
  });

  it.each<[ExecutionEnd, string]>([
    [{ status: 'ABORTED', cause: 'a release' }, 'somebody stopped the execution (a release); Step Functions does'],
    [{ status: 'ABORTED', error: 'Enough', cause: 'a release' }, 'somebody stopped the execution (Enough: a release);'],
    [{ status: 'ABORTED', error: 'RunStopped' }, 'somebody stopped the execution (RunStopped); Step Functions does'],
    [{ status: 'TIMED_OUT' }, 'the execution ran longer than the workflow allows'],
    [{ status: 'FAILED', error: 'E', cause: 'why' }, 'the execution ended without a report (E: why)'],
    [{ status: 'FAILED', error: 'E', cause: '' }, 'the execution ended without a report (E)'],
    [{ status: 'SUCCEEDED' }, 'the execution ended without a report'],
    [{ status: 'FAILED', cause: 'x'.repeat(600) }, `the execution ended without a report (${'x'.repeat(500)})`],
  ])('says how it ended: %j', async (end, said) => {
    executions[stopped] = end;
    await switched();
    const { ended = '' } = (await recover()).plan.recovers ?? {};
    expect(ended.startsWith(said)).toBe(true);
    if (end.status !== 'ABORTED') expect(ended).toBe(said);
  });

  it.each([
    ['before it had a snapshot', { snapshot: false }, false],
    ['after its switch was verified', {}, true],
  ])('only reports a run that was stopped %s', async (_, run, verified) => {
    await switched(run);
    if (verified) await ofStopped().verified.put({ at: '2026-01-01T00:00:00.000Z' });
    const { result, plan } = await recover();
    expect(result.route).toBe('report');
    expect(plan.recovers).toMatchObject({ runId: stopped, verified });
    expect((await lockNow())?.runId).toBe(me);
  });

  it('only reports a stopped run that had neither plan nor lock', async () => {
    const { result, plan } = await recover();
    expect(result.route).toBe('report');
    expect(plan).toMatchObject({ action: 'sync', registry: { registry: 'registry.example', prefix: 'mirror' } });
    expect(await lockNow()).toBeUndefined();
  });

  it('leaves a run alone that has a report', async () => {
    await switched();
    await ofStopped().report.put({
      status: 'FAILED',
      action: 'sync',
      runId: 'stopped',
      images: [],
      config: [],
      totals: noTotals,
    });
    expect(await skipped()).toBe('run stopped is not rolled back: it has a report');
    expect((await lockNow())?.runId).toBe(stopped);
  });

  it('leaves a run alone that was rolling back another one', async () => {
    await switched({ plan: { recovers: { runId: 'older', ended: '', verified: false } } });
    expect(await skipped()).toContain('it was itself rolling back another run');
  });

  it.each([
    ['there is none of its name', undefined, 'there is no such execution'],
    ['it is under way', { status: 'RUNNING' }, 'its execution is RUNNING'],
    ['it waits to be driven again', { status: 'PENDING_REDRIVE' }, 'its execution is PENDING_REDRIVE'],
  ])('leaves a run alone when %s', async (_, execution, reason) => {
    await switched();
    if (execution) executions[stopped] = execution;
    else delete executions[stopped];
    expect(await skipped()).toContain(reason);
    expect((await lockNow())?.runId).toBe(stopped);
    expect(await ofStopped().recovery.find()).toBeUndefined();
  });

  it('leaves a run alone whose lock another run has', async () => {
    await switched();
    await stage.store.put(`locks/${accountId}.json`, Buffer.from('null'));
    await stage.runtime.lock.take({ runId: 'next', action: 'sync' }, accountId);
    expect(await skipped()).toContain('run next (sync) has held the lock');
    expect(await ofStopped().recovery.find()).toBeUndefined();
  });

  describe('a stopped run with a recovery in progress', () => {
    beforeEach(async () => {
      await switched();
      await recover('first');
    });

    it('leaves a stopped run to the run that is already rolling it back', async () => {
      executions['first'] = { status: 'RUNNING' };
      expect(await skipped()).toContain('run first is already rolling it back');
      expect((await lockNow())?.runId).toBe('first');
    });

    it.each([{ status: 'ABORTED' }, undefined])(
      'rolls the stopped run back when the earlier recovery has ended: %j',
      async (end) => {
        if (end) executions['first'] = end;
        expect((await recover()).result.route).toBe('rollback');
        expect((await lockNow())?.runId).toBe(me);
        expect(await ofStopped().recovery.get()).toEqual({ by: me });
      },
    );

    it('continues its own recovery when the task is retried', async () => {
      executions['first'] = { status: 'RUNNING' };
      expect((await recover('first')).result.route).toBe('rollback');
    });
  });
});
