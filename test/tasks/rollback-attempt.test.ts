import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { rollback } from '../../functions/rollback/rollback.ts';
import type { ConfigResult, FieldChange, Plan, Writes } from '../../functions/state/documents.ts';
import { lockSchema } from '../../functions/state/lock.ts';
import { Patience } from '../../functions/runtime/patience.ts';
import { getJson } from '../../functions/state/object-store.ts';
import { stopClock } from '../state/clock.ts';
import { accountId, change, type HarnessStage, planOf, runId, setHarnessStage } from './stage.ts';

const start = Date.parse('2026-01-01T00:00:00.000Z');
const minute = 60_000;
const at = (ms: number) => new Date(start + ms).toISOString();

const k8 = { module: 'ci', infrastructureType: 'K8' } as const;
const vm = { module: 'ci', infrastructureType: 'VM' } as const;
const idp = { module: 'idp', infrastructureType: 'K8' } as const;
const addon = change('addonTag', 'mirror/addon:2');
const git = change('gitCloneTag', 'mirror/git:2');
/** An override that the run took away. */
const cache = change('cacheS3Tag', null);
const vmAddon = change('addonTag', 'mirror/vm-addon:2', vm);
const idpAddon = change('addonTag', 'mirror/idp-addon:2', idp);

let stage: HarnessStage;
let patience: Patience;
beforeEach(async () => {
  stopClock(start);
  patience = new Patience(120 * minute);
  stage = await setHarnessStage({ patience });
});
afterEach(async () => {
  jest.useRealTimers();
  await stage.close();
});

const later = (ms: number) => jest.setSystemTime(start + ms);
const lockNow = () => getJson(stage.store, `locks/${accountId}.json`, lockSchema);

interface Switched {
  changes?: FieldChange[];
  rows?: ConfigResult[];
  writes?: Writes;
  plan?: Partial<Plan>;
}

const updated = ({ image: _, ...row }: FieldChange): ConfigResult => ({ ...row, status: 'updated' });

/** A run that switched fields of `ci K8`, where `gitCloneTag` was overridden before. */
async function switched({ changes = [addon, git], rows = changes.map(updated), writes, plan }: Switched = {}) {
  const { documents, runtime } = stage;
  await runtime.lock.take({ runId, action: 'sync' }, accountId);
  await documents.plan.put(planOf({ changes, ...plan }));
  await documents.changes.put({ changes, held: [] });
  const scopes = [
    { ...k8, overrides: { gitCloneTag: 'git:1', cacheS3Tag: 'cache:1' } },
    { ...vm, overrides: { addonTag: 'vm-addon:1' } },
    { ...idp, overrides: {} },
  ];
  await documents.snapshot.put({ runId, accountId, takenAt: at(0), scopes });
  await documents.config.put(rows);
  await documents.writes.put(writes ?? { begun: [k8] });
  for (const { field, to, module, infrastructureType } of changes)
    if (to !== null) stage.overrides(module, infrastructureType)[field] = to;
}

const attempt = () => rollback({ runId }, { runtime: stage.runtime, signal: undefined });
const fail = (path: string, status: number, count = 1) => stage.harness.quirks.failNext.push({ path, status, count });
const reads = 'get-customer-config';
const writes = 'update-config';
const pending = { name: 'RollbackPending' };
const failed = { name: 'RollbackFailed' };

describe('a rollback', () => {
  it('puts back every field that the run wrote, and records that', async () => {
    await switched({ changes: [addon, git, cache, vmAddon], writes: { begun: [k8, vm] } });
    expect(await attempt()).toEqual({ status: 'rolled-back' });
    expect(stage.overrides()).toEqual({ gitCloneTag: 'git:1', cacheS3Tag: 'cache:1' });
    expect(stage.overrides('ci', 'VM')).toEqual({ addonTag: 'vm-addon:1' });
    const rows = await stage.documents.config.get();
    expect(rows.map(({ status }) => status)).toEqual(Array(4).fill('rolled-back'));
    expect(stage.requests()).toEqual([
      'reads ci K8',
      'writes ci K8 gitCloneTag cacheS3Tag',
      'writes ci K8 addonTag',
      'reads ci K8',
      'reads ci VM',
      'writes ci VM addonTag',
      'reads ci VM',
    ]);
  });

  it('rolls nothing back without a snapshot', async () => {
    expect(await attempt()).toEqual({ status: 'nothing-to-do' });
    expect(patience.giveUp()).toBe(false);
  });

  it('leaves what Harness refused, and what the run had not come to, as it is', async () => {
    await switched({
      changes: [addon, git, vmAddon, idpAddon],
      rows: [updated(addon), { ...updated(git), status: 'rejected' }],
      writes: { begun: [k8, vm] },
    });
    expect(await attempt()).toEqual({ status: 'rolled-back' });
    expect(stage.overrides()).toEqual({ gitCloneTag: git.to });
    // A write that was begun may have been carried out; one that was not is somebody else's.
    expect(stage.overrides('ci', 'VM')).toEqual({ addonTag: 'vm-addon:1' });
    expect(stage.overrides('idp')).toEqual({ addonTag: idpAddon.to });
    const rows = await stage.documents.config.get();
    expect(rows.map(({ status }) => status)).toEqual(['rolled-back', 'rejected']);
    expect(stage.requests().join()).not.toContain('idp');
  });

  it('works where neither results nor writes were recorded: then nothing was written', async () => {
    await switched();
    for (const name of ['config', 'writes']) stage.store.objects.delete(`runs/${runId}/${name}.json`);
    later(6 * minute);
    expect(await attempt()).toEqual({ status: 'rolled-back' });
    expect(stage.requests()).toEqual([]);
    expect((await lockNow())?.renewedAt).toBe(at(6 * minute));
  });

  it('restores a value of the run, and keeps one of somebody else', async () => {
    await switched({ rows: [], changes: [addon, git] });
    stage.overrides()['gitCloneTag'] = 'theirs:9';
    await attempt();
    expect(stage.overrides()).toEqual({ gitCloneTag: 'theirs:9' });
  });

  it('puts back what it recorded as written, also where something else shows', async () => {
    await switched({ changes: [addon, git] });
    Object.assign(stage.overrides(), { addonTag: 'strange:1', gitCloneTag: 'strange:1' });
    await attempt();
    expect(stage.overrides()).toEqual({ gitCloneTag: 'git:1' });
  });

  it('leaves what verify left to somebody else, unless the value of the run shows after all', async () => {
    const left = ({ image: _, ...row }: FieldChange, value: string): ConfigResult => ({
      ...row,
      from: value,
      to: value,
      status: 'unchanged',
    });
    await switched({
      changes: [addon, git, cache],
      rows: [left(addon, 'theirs:9'), left(git, 'theirs:9'), updated(cache)],
    });
    stage.overrides()['addonTag'] = 'theirs:9';
    expect(await attempt()).toEqual({ status: 'rolled-back' });
    expect(stage.overrides()).toEqual({ addonTag: 'theirs:9', gitCloneTag: 'git:1', cacheS3Tag: 'cache:1' });
    const rows = await stage.documents.config.get();
    expect(rows.map(({ status }) => status)).toEqual(['unchanged', 'unchanged', 'rolled-back']);
  });

  it('waits for an old value that shows late', async () => {
    await switched();
    const overrides = { ...stage.overrides() };
    stage.harness.quirks.oldCopy = { readings: 3, overrides };
    expect(await attempt()).toEqual({ status: 'rolled-back' });
    expect(stage.requests().filter((request) => request.startsWith('reads'))).toHaveLength(4);
  });

  it('accepts the end of patience only during a rollback', async () => {
    await switched();
    fail(reads, 503, 9);
    await expect(attempt()).rejects.toMatchObject(pending);
    stage.harness.quirks.failNext = [];
    await attempt();
    expect(patience.giveUp()).toBe(false);
  });
});

describe('a rollback that did not succeed yet', () => {
  it('reports the remaining fields and the time limit, and holds the lock until then', async () => {
    await switched();
    stage.harness.quirks.loseWrites = 2;
    const difference = `ci K8 addonTag is ${addon.to}, not unset; ci K8 gitCloneTag is ${git.to}, not git:1`;
    await expect(attempt()).rejects.toMatchObject({
      name: 'RollbackPending',
      message: `2 fields are not put back yet: ${difference}`,
      hint: `Wait: the workflow retries until ${at(120 * minute)}.`,
    });
    expect(stage.notes).toEqual([
      `rollback: retrying until ${at(120 * minute)} (press Ctrl-C twice to give up): ${difference}`,
    ]);
    expect((await lockNow())?.expiresAt).toBe(at(5 * minute + 30 * minute));
    expect(await stage.documents.rollback.get()).toEqual({
      since: at(0),
      left: difference.split('; '),
      reason: '',
      written: [k8],
    });
    expect(patience.giveUp()).toBe(true);
  });

  it('remains pending while a single field is left', async () => {
    await switched({ changes: [addon] });
    stage.harness.quirks.loseWrites = 1;
    await expect(attempt()).rejects.toThrow('1 fields are not put back yet: ci K8 addonTag');
    expect(await attempt()).toEqual({ status: 'rolled-back' });
  });

  it('writes all the same when it cannot read, once, and then leaves a third value alone', async () => {
    await switched();
    fail(reads, 503, 2);
    await expect(attempt()).rejects.toMatchObject(pending);
    expect(stage.overrides()).toEqual({ gitCloneTag: 'git:1' });
    expect(stage.requests()).toEqual([
      'reads ci K8',
      'writes ci K8 gitCloneTag',
      'writes ci K8 addonTag',
      'reads ci K8',
    ]);
    expect(await stage.documents.rollback.get()).toMatchObject({
      written: [k8],
      left: [
        'ci K8 addonTag was written, not checked: it may not be unset',
        'ci K8 gitCloneTag was written, not checked: it may not be git:1',
      ],
    });
    fail(reads, 503, 2);
    await expect(attempt()).rejects.toMatchObject(pending);
    expect(stage.requests()).toEqual(['reads ci K8', 'reads ci K8']);
    stage.overrides()['gitCloneTag'] = 'theirs:9';
    expect(await attempt()).toEqual({ status: 'rolled-back' });
    expect(stage.overrides()).toEqual({ gitCloneTag: 'theirs:9' });
  });

  it('writes again what still shows the value of the run, and notes its scope once', async () => {
    await switched();
    stage.harness.quirks.loseWrites = 2;
    await expect(attempt()).rejects.toMatchObject(pending);
    stage.harness.quirks.loseWrites = 2;
    await expect(attempt()).rejects.toMatchObject(pending);
    expect((await stage.documents.rollback.get()).written).toEqual([k8]);
    expect(await attempt()).toEqual({ status: 'rolled-back' });
    expect(stage.overrides()).toEqual({ gitCloneTag: 'git:1' });
  });

  it('records which scopes were written when one was not', async () => {
    await switched({ changes: [addon, vmAddon], writes: { begun: [k8, vm] } });
    fail(`ci/execution-config/reset-config`, 503, 1);
    await expect(attempt()).rejects.toMatchObject(pending);
    expect(await stage.documents.rollback.get()).toMatchObject({
      written: [vm],
      left: [`ci K8 addonTag is ${addon.to}, not unset`],
      reason: expect.stringContaining('cannot reset the configuration of ci/K8'),
    });
    expect(stage.overrides('ci', 'VM')).toEqual({ addonTag: 'vm-addon:1' });
    expect(await attempt()).toEqual({ status: 'rolled-back' });
  });

  it('does not wait for a value that it could not write', async () => {
    await switched();
    fail(writes, 503, 1);
    await expect(attempt()).rejects.toMatchObject(pending);
    expect(stage.requests()).toEqual(['reads ci K8', 'writes ci K8 gitCloneTag', 'reads ci K8']);
  });

  it('keeps the first reason', async () => {
    await switched();
    fail(reads, 503, 1);
    fail(writes, 500, 1);
    await expect(attempt()).rejects.toThrow(/^2 fields are not put back yet: cannot read the overrides of ci\/K8/);
  });

  it.each([
    [reads, 'cannot read the overrides of ci/K8'],
    [writes, 'cannot update the configuration of ci/K8'],
  ])('names what failed, also when something else succeeds after it: %s', async (path, reason) => {
    await switched();
    stage.harness.quirks.loseWrites = 2;
    fail(path, 503, 1);
    await expect(attempt()).rejects.toThrow(reason);
    expect((await stage.documents.rollback.get()).reason).toContain(reason);
  });

  it('names what failed when it was the last reading', async () => {
    await switched();
    const put = stage.store.put.bind(stage.store);
    // The note after the write.
    stage.store.put = async (key, body) => {
      if (key.endsWith('/writes.json') && stage.overrides()['gitCloneTag'] === 'git:1') fail(reads, 503, 9);
      await put(key, body);
    };
    await expect(attempt()).rejects.toThrow('cannot read the overrides of ci/K8');
  });
});

describe('the time of a rollback', () => {
  async function waited(ms: number) {
    await attempt().catch(() => undefined);
    later(ms);
    return attempt();
  }

  it.each([
    ['while Harness is away', 503, 120],
    ['for a key that is unknown', 401, 15],
    ['for a key that is refused', 403, 15],
  ])('retries %s (%i) for %i minutes from the first attempt', async (_, status, minutes) => {
    await switched();
    fail('execution-config', status, 99);
    await expect(waited(minutes * minute - 1)).rejects.toMatchObject(pending);
    expect(patience.giveUp()).toBe(true);
    patience = new Patience(120 * minute);
    Object.assign(stage.runtime, { patience });
    await expect(waited(minutes * minute)).rejects.toMatchObject(failed);
    expect(patience.giveUp()).toBe(false);
    expect((await stage.documents.rollback.get()).since).toBe(at(0));
  });

  it('waits for a refused key no longer than for any other failure', async () => {
    Object.assign(stage.runtime, { patience: new Patience(5 * minute) });
    await switched();
    fail('execution-config', 401, 99);
    await expect(waited(5 * minute)).rejects.toMatchObject(failed);
  });

  it('ends at once where nobody waits, or somebody gave up', async () => {
    await switched();
    fail('execution-config', 503, 99);
    patience.begin();
    patience.giveUp();
    await expect(attempt()).rejects.toMatchObject(failed);
    Object.assign(stage.runtime, { patience: new Patience(0) });
    await expect(attempt()).rejects.toMatchObject(failed);
  });

  it('ends at once when another run has the lock, whatever failed before', async () => {
    await switched();
    await stage.runtime.lock.release(runId);
    await stage.runtime.lock.take({ runId: 'other', action: 'sync' }, accountId);
    fail(reads, 503, 1);
    await expect(attempt()).rejects.toMatchObject({
      ...failed,
      message: expect.stringMatching(/\(this run no longer has the lock of account embedded: run other/),
    });
    expect(stage.overrides()).toMatchObject({ addonTag: addon.to });
  });

  it.each([
    ['counts from an attempt of this run', 0, failed],
    ['does not count from one of an older run of this name', -1, pending],
  ])('the patience of a rollback %s', async (_, since, error) => {
    await switched();
    await stage.documents.rollback.put({ since: at(since), left: [], reason: '', written: [k8] });
    fail('execution-config', 503, 99);
    later(120 * minute);
    await expect(attempt()).rejects.toMatchObject(error);
    // What the older one wrote is not what this one has to write.
    expect(stage.requests().some((request) => request.startsWith('writes'))).toBe(since < 0);
  });
});

describe('a rollback of a run that was stopped', () => {
  const recovers = { runId: 'stopped', ended: 'somebody stopped it', verified: false };

  /** The run that was stopped has the documents, and another one its lock. */
  async function stopped(since?: string): Promise<void> {
    await switched({ writes: { begun: [k8], ...(since !== undefined && { since }) } });
    for (const [key, body] of stage.store.objects)
      if (key.startsWith(`runs/${runId}/`) && !key.endsWith('/lock.json')) {
        stage.store.objects.delete(key);
        stage.store.objects.set(key.replace(runId, 'stopped'), body);
      }
    await stage.documents.plan.put(planOf({ recovers }));
  }
  const rows = () => stage.runtime.run('stopped').config.get();

  it('puts back what that run wrote', async () => {
    await stopped();
    expect(await attempt()).toEqual({ status: 'rolled-back' });
    expect(stage.overrides()).toEqual({ gitCloneTag: 'git:1' });
    expect((await rows()).map(({ status }) => status)).toEqual(['rolled-back', 'rolled-back']);
  });

  it('remains pending while a function of the stopped run may still be writing', async () => {
    await stopped(at(0));
    await expect(attempt()).rejects.toThrow('a function of run stopped may still be writing');
    expect(stage.overrides()).toEqual({ gitCloneTag: 'git:1' });
    expect((await rows()).map(({ status }) => status)).toEqual(['updated', 'updated']);
    // The late write arrives.
    stage.overrides()['addonTag'] = String(addon.to);
    later(15 * minute);
    expect(await attempt()).toEqual({ status: 'rolled-back' });
    expect(stage.overrides()).toEqual({ gitCloneTag: 'git:1' });
  });

  it('names what is left rather than the function', async () => {
    await stopped(at(0));
    stage.harness.quirks.loseWrites = 2;
    await expect(attempt()).rejects.toThrow(/^2 fields are not put back yet: ci K8 addonTag is/);
  });

  it('succeeds when the run itself rolls back, whatever it recorded of its writes', async () => {
    await switched({ writes: { begun: [k8], since: at(0) } });
    expect(await attempt()).toEqual({ status: 'rolled-back' });
  });
});
