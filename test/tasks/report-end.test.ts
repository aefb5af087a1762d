import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { report as reportTask } from '../../functions/report/report.ts';
import type { Plan, PlannedImage, Snapshot } from '../../functions/state/documents.ts';
import { changeInventory, readInventory } from '../../functions/state/inventory.ts';
import { readLooks } from '../../functions/state/looks.ts';
import { accountId, caught, imageOf, planOf, reportOn, runId, setStage, type Stage } from './stage.ts';

/** The end of a run: its records for later runs, its lock, and the reports of rollbacks and of stopped runs. */

const digest = `sha256:${'a'.repeat(64)}` as Digest;
const other = `sha256:${'b'.repeat(64)}` as Digest;
const target = (name: string) => `registry.example/mirror/${name}`;
const image = (name: string, more: Record<string, unknown> = {}): PlannedImage =>
  imageOf({ image: name, target: target(name), status: 'copy', digest, ...more });
const bytes = { bytesTransferred: 1, bytesSkipped: 0 };

let stage: Stage;
beforeEach(() => {
  stage = setStage();
});
const reported = (plan: Partial<Plan> = {}, state?: Parameters<typeof reportOn>[2]) =>
  reportOn(stage, planOf(plan), state);
const lastSync = () => stage.store.objects.get('last-sync.json');

describe('the inventory', () => {
  it('the inventory has the copies of a run with their digests, and no image of others', async () => {
    await stage.documents.copyResult(0).put({ status: 'copied', ...bytes });
    await stage.documents.copyResult(1).put({ status: 'copied', digest: other, ...bytes });
    await stage.documents.copyResult(2).put({ status: 'failed', ...bytes });
    await stage.documents.copyResult(3).put({ status: 'copied', ...bytes });
    await stage.documents.copyResult(4).put({ status: 'repaired', ...bytes });
    await reported({
      images: [
        image('copied:1'),
        imageOf({ image: 'built:1', target: target('built:1'), status: 'copy' }),
        image('failed:1'),
        image('present:1', { present: true }),
        image('repaired:1'),
        image('not-reached:1'),
        image('current:1', { status: 'current' }),
      ],
    });
    expect(await readInventory(stage.store)).toEqual({ [target('copied:1')]: digest, [target('built:1')]: other });
  });

  it('the inventory follows images of the factory whose digest moved, and keeps those that failed', async () => {
    await changeInventory(stage.store, (inventory) => {
      for (const name of ['current:1', 'present:1', 'failed:1', 'not-reached:1']) inventory[target(name)] = other;
    });
    await stage.documents.copyResult(1).put({ status: 'copied', ...bytes });
    await stage.documents.copyResult(2).put({ status: 'failed', ...bytes });
    await reported({
      images: [
        image('current:1', { status: 'current' }),
        image('present:1', { present: true }),
        image('failed:1'),
        image('not-reached:1'),
      ],
    });
    expect(await readInventory(stage.store)).toEqual({
      [target('current:1')]: digest,
      [target('present:1')]: digest,
      [target('failed:1')]: other,
      [target('not-reached:1')]: other,
    });
  });

  it('actions that copy nothing leave the inventory alone', async () => {
    await changeInventory(stage.store, (inventory) => (inventory[target('a:1')] = other));
    await reported({ action: 'plan', images: [image('a:1', { status: 'current' })] });
    expect(await readInventory(stage.store)).toEqual({ [target('a:1')]: other });
  });
});

describe('the record of checks', () => {
  it('the record of checks has the images that the run copied or repaired, at their new digest', async () => {
    await stage.documents.copyResult(0).put({ status: 'copied', ...bytes });
    await stage.documents.copyResult(1).put({ status: 'repaired', ...bytes });
    await stage.documents.copyResult(2).put({ status: 'copied', digest: other, ...bytes });
    await stage.documents.copyResult(3).put({ status: 'failed', ...bytes });
    await stage.documents.copyResult(4).put({ status: 'skipped', ...bytes });
    const names = ['copied:1', 'repaired:1', 'built:1', 'failed:1', 'skipped:1', 'not-reached:1'];
    await reported({ images: names.map((name) => image(name)) });
    const looks = await readLooks(stage.store);
    const isDue = (name: string, at: Digest) => looks.isDue(target(name), at, 7, new Date());
    expect(names.filter((name) => !isDue(name, digest))).toEqual(['copied:1', 'repaired:1']);
    expect(isDue('built:1', other)).toBe(false);
  });
});

describe('the time of the last sync', () => {
  it('records the time of a sync that succeeded', async () => {
    await reported();
    expect(lastSync()).toBeDefined();
  });

  it.each<[string, Partial<Plan>, Parameters<typeof reportOn>[2]]>([
    ['a sync that failed', {}, { error: caught('GateFailed') }],
    ['a sync that was skipped', { skipped: 'locked' }, {}],
    ['another action', { action: 'import' }, {}],
  ])('keeps the time of the last sync after %s', async (_, plan, state) => {
    await reported(plan, state);
    expect(lastSync()).toBeUndefined();
  });
});

describe('the lock of a run', () => {
  it('frees the lock once the report is written', async () => {
    await stage.runtime.lock.take({ runId, action: 'sync' }, accountId);
    expect((await stage.runtime.lock.holder(accountId))?.runId).toBe(runId);
    await reported();
    expect(await stage.runtime.lock.holder(accountId)).toBeUndefined();
  });
});

describe('a state that cannot be written after a run', () => {
  /** Refuses writes of the keys that match. */
  function refuse(keys: RegExp): void {
    const put = stage.store.put.bind(stage.store);
    stage.store.put = async (key, body) => {
      if (keys.test(key)) throw new Error(`no space for ${key}`);
      await put(key, body);
    };
  }

  it.each([
    [/report\.json$/, 'the report was not stored'],
    [/inventory/, 'the copies were not recorded for a later prune'],
    [/looks/, 'the checks of the copies were not recorded: the next run repeats them'],
    [/last-sync/, 'the time of the sync was not recorded'],
    [/report\.html$/, 'the page of the run was not written'],
  ])('warns where %s cannot be written after a run, and keeps the outcome', async (keys, warning) => {
    await stage.documents.plan.put(planOf({ images: [image('a:1')] }));
    await stage.documents.copyResult(0).put({ status: 'copied', ...bytes });
    refuse(keys);
    const report = await reportTask({ runId, state: {} }, { runtime: stage.runtime, signal: undefined });
    expect(report.status).toBe('SUCCEEDED');
    expect(report.warnings).toContainEqual(expect.stringMatching(new RegExp(`^${RegExp.escape(warning)}: .*no space`)));
  });

  it('stores a warning of the end of the run in the report and on the page', async () => {
    refuse(/last-sync/);
    const { warnings } = await reported();
    expect(warnings).toHaveLength(1);
    expect((await stage.documents.report.get()).warnings).toEqual(warnings);
    expect(Buffer.from(stage.store.objects.get(`runs/${runId}/report.html`) ?? '').toString()).toContain('no space');
  });

  it('stores a warning of a delivery in the report and on the page', async () => {
    stage = setStage({
      notify: async () => {
        throw new Error('no topic');
      },
    });
    const { warnings } = await reported();
    expect(warnings).toEqual(['notification failed: Error: no topic']);
    expect((await stage.documents.report.get()).warnings).toEqual(warnings);
    expect(Buffer.from(stage.store.objects.get(`runs/${runId}/report.html`) ?? '').toString()).toContain('no topic');
  });

  it('writes report and page once where nothing is to be added', async () => {
    const keys: string[] = [];
    const put = stage.store.put.bind(stage.store);
    stage.store.put = async (key, body) => {
      keys.push(key);
      await put(key, body);
    };
    await reported();
    expect(keys.filter((key) => key.endsWith('/report.json'))).toHaveLength(1);
    expect(keys.filter((key) => key.endsWith('/report.html'))).toHaveLength(1);
  });
});

describe('a rollback that failed', () => {
  const rollback = {
    error: caught('VerificationFailed', 'lost'),
    rollbackError: caught('FunctionCrashed', 'no memory'),
  };
  const attempt = { since: new Date().toISOString(), written: [], left: ['ci K8 addonTag is new, not old'] };

  it('reports a failed rollback with what its last attempt left, and the error before it', async () => {
    await stage.documents.rollback.put({ ...attempt, reason: 'Harness is down' });
    const report = await reported({}, rollback);
    expect(report.error?.name).toBe('RollbackFailed');
    expect(report.error?.message).toBe(
      'these fields could not be put back (FunctionCrashed: no memory): ci K8 addonTag is new, not old (after VerificationFailed: lost)',
    );
    expect(report.firstError).toMatchObject({ name: 'VerificationFailed', message: 'lost' });
    expect(report).toMatchObject({ status: 'FAILED', harness: 'unknown' });
  });

  it('reports the whole list of a failed rollback, which the workflow truncates', async () => {
    await stage.documents.rollback.put({ ...attempt, reason: 'Harness is down' });
    const { error } = await reported({}, { ...rollback, rollbackError: caught('RollbackFailed', 'these fie') });
    expect(error?.message).toBe(
      'these fields could not be put back (Harness is down): ci K8 addonTag is new, not old (after VerificationFailed: lost)',
    );
    expect(error?.hint).toContain(runId);
  });

  it('reports a failed rollback also where nothing says what led to it', async () => {
    const { error, firstError } = await reported({}, { rollbackError: caught('RollbackFailed', 'stuck') });
    expect(error).toMatchObject({ name: 'RollbackFailed', message: 'stuck (after a failure: unknown)' });
    expect(firstError).toBeUndefined();
  });

  it('names the connector after a failed rollback only where the run wrote it', async () => {
    const connector: Snapshot['connector'] = {
      reference: 'account.harnessImage',
      ref: { identifier: 'harnessImage' },
      from: { dockerRegistryUrl: 'https://old.example' },
      to: { dockerRegistryUrl: 'https://new.example' },
      document: {},
    };
    const snapshot = { runId, accountId, takenAt: '2026-01-01T00:00:00.000Z', scopes: [] };
    const message = async () => (await reported({}, rollback)).error?.message;
    await stage.documents.snapshot.put({ ...snapshot, connector });
    expect(await message()).not.toContain('harnessImage');
    await stage.documents.connector.put({ status: 'rolled-back', after: 'https://old.example' });
    expect(await message()).not.toContain('harnessImage');
    await stage.documents.connector.put({ status: 'changed', after: 'https://new.example' });
    expect(await message()).toContain('connector account.harnessImage may not be https://old.example');
    await stage.documents.snapshot.put(snapshot);
    expect(await message()).not.toContain('harnessImage');
  });
});

describe('the report of a stopped run', () => {
  const ended = 'somebody stopped the execution';
  const snapshot = { runId: 'stopped', accountId, takenAt: '2026-01-01T00:00:00.000Z', scopes: [] };
  const recovered = (verified: boolean, state?: Parameters<typeof reportOn>[2]) =>
    reported({ action: 'sync', recovers: { runId: 'stopped', ended, verified } }, state);
  const stopped = () => stage.runtime.run('stopped');
  beforeEach(async () => {
    await stopped().plan.put(planOf({ runId: 'stopped', action: 'reset', accountId }));
    await stage.runtime.lock.take({ runId, action: 'sync' }, accountId);
  });

  it('reports of a stopped run that another run put Harness back', async () => {
    await stopped().snapshot.put(snapshot);
    const own = await recovered(false);
    expect(own).toMatchObject({
      status: 'SUCCEEDED',
      action: 'reset',
      runId,
      harness: 'unchanged',
      reason: `run stopped: ${ended}; run ${runId} put Harness back as it was before; its report is memory:runs/stopped/report.json`,
    });
    expect(own).not.toHaveProperty('error');
    expect(await stopped().report.get()).toMatchObject({
      status: 'FAILED',
      error: { name: 'RunStopped', message: `${ended}; run ${runId} put Harness back as it was before` },
    });
    expect((await stopped().report.get()).error?.hint).toContain('Start the run again');
    expect(await stage.documents.report.get()).toMatchObject({ status: 'SUCCEEDED', runId });
    expect(stage.store.objects.has(`runs/${runId}/report.html`)).toBe(true);
    expect(await stage.runtime.lock.holder(accountId)).toBeUndefined();
  });

  it('reports of a stopped run that had not begun to switch that Harness was not changed', async () => {
    await recovered(false);
    expect((await stopped().report.get()).error?.message).toBe(`${ended}; Harness is as it was before`);
  });

  it('keeps the verified switch of a stopped run, with a warning', async () => {
    await stopped().snapshot.put(snapshot);
    const own = await recovered(true);
    const kept = 'its switch was complete and verified, and is kept';
    expect(own.reason).toContain(`${ended}; ${kept}; its report`);
    const report = await stopped().report.get();
    expect(report).toMatchObject({ status: 'SUCCEEDED', warnings: [`${ended}; ${kept}`] });
  });

  it('reports the failed rollback of a stopped run in both reports', async () => {
    await stopped().snapshot.put(snapshot);
    const own = await recovered(false, { rollbackError: caught('RollbackFailed', 'stuck') });
    const error = {
      name: 'RollbackFailed',
      message: `stuck (after RunStopped: ${ended}; run ${runId} put Harness back as it was before)`,
    };
    expect(own).toMatchObject({ status: 'FAILED', harness: 'unknown', error });
    expect(own.reason).toContain(`${ended}; the rollback failed; its report`);
    expect(await stopped().report.get()).toMatchObject({ status: 'FAILED', error });
  });
});
