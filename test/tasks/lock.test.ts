import { afterEach, describe, expect, it } from '@jest/globals';
import { copy } from '../../functions/copy/copy.ts';
import type { Report } from '../../functions/state/documents.ts';
import { lockSchema, type Lock, type LockOptions } from '../../functions/state/lock.ts';
import { getJson, updateJson } from '../../functions/state/object-store.ts';
import { type Factory, type FactoryOptions, startFactory } from './factory.ts';
import { useTemporaryFolders } from '../temporary-folder.ts';

const temporaryFolder = useTemporaryFolders();

const minutes = (n: number) => new Date(Date.now() + n * 60_000).toISOString();
const theirs: Lock = {
  runId: 'other',
  action: 'reset',
  since: '2026-01-01T00:00:00.000Z',
  renewedAt: minutes(-1),
  expiresAt: minutes(29),
};

let factory: Factory;
afterEach(() => factory.close());

/** Starts with the state in files, as a local run has it. */
async function start(options: FactoryOptions = {}): Promise<void> {
  factory = await startFactory({ folder: temporaryFolder('lock'), ...options });
}

async function putLock(lock: Lock | null, accountId = 'embedded'): Promise<void> {
  await updateJson(factory.store, `locks/${accountId}.json`, lockSchema, () => lock);
}

function lockNow(): Promise<Lock | null | undefined> {
  return getJson(factory.store, 'locks/embedded.json', lockSchema);
}

/** Does something when a document is written whose key ends so, and lets the run wait for it. */
function at(end: string, act: () => unknown): void {
  factory.store.onPut = async (key) => {
    if (!key.endsWith(end)) return;
    factory.store.onPut = () => undefined;
    await act();
  };
}

describe('a run that comes while another is at work on the account', () => {
  it('skips a second run, names the run at work, and touches nothing', async () => {
    await start();
    let second: Report | undefined;
    let requests = 0;
    at('runs/first/snapshot.json', async () => {
      const all = () =>
        [factory.source, factory.target, factory.harness].flatMap((server) => server.requests as object[]);
      requests = all().length;
      second = await factory.sync({}, { runId: 'second' });
      requests = all().length - requests;
    });
    const first = await factory.sync({}, { runId: 'first' });
    expect(first.status).toBe('SUCCEEDED');
    expect(second).toMatchObject({
      status: 'SKIPPED',
      runId: 'second',
      reason: expect.stringMatching(
        /^run first \(sync\) has held the lock since 20\S+ \S+ UTC; the lock expires at 20\S+ \S+ UTC unless/,
      ),
      images: [],
      config: [],
    });
    expect(second).not.toHaveProperty('error');
    expect(requests).toBe(0);
    expect((await factory.sync()).status).toBe('SUCCEEDED');
  });

  it.each([
    ['sync', {}],
    ['sync', { modify_default: false }],
    ['reset', {}],
    ['restore', { restore_run: 'earlier' }],
  ])('skips a second run that would write: %s %j', async (action, input) => {
    await start();
    await factory.sync({}, { runId: 'earlier' });
    await putLock(theirs);
    const report = await factory.run(action, input);
    expect(report).toMatchObject({ status: 'SKIPPED', action, reason: expect.stringContaining('run other (reset)') });
    expect(await lockNow()).toEqual(theirs);
  });

  it('lets a run that only reads proceed without a lock', async () => {
    await start();
    await factory.sync();
    expect(await lockNow()).toBeNull();
    await putLock(theirs);
    for (const action of ['plan', 'verify']) expect((await factory.run(action)).status).toBe('SUCCEEDED');
    expect(await lockNow()).toEqual(theirs);
  });

  it('lets a run on another account proceed', async () => {
    await start();
    await putLock(theirs, 'another-account');
    expect((await factory.sync()).status).toBe('SUCCEEDED');
  });

  it('never writes between the other one’s writes, however many there are', async () => {
    await start({ harness: { quirks: { lostUpdateRaceMs: 5 } } });
    const reports = await Promise.all([1, 2, 3, 4].map((n) => factory.sync({}, { runId: `run-${n}` })));
    const statuses = reports.map(({ status }) => status);
    expect(statuses).toContain('SUCCEEDED');
    expect(statuses).not.toContain('FAILED');
    expect(factory.writes()).toHaveLength(1);
  });
});

describe('a run with --wait', () => {
  it('a run waits for the other to end, says so, and sees what it did', async () => {
    await start({ lock: { waitMs: 30_000 } });
    let second: Promise<Report> | undefined;
    at('runs/first/snapshot.json', () => void (second = factory.sync({}, { runId: 'second' })));
    const first = await factory.sync({}, { runId: 'first' });
    expect(first.status).toBe('SUCCEEDED');
    expect(await second).toMatchObject({ status: 'SUCCEEDED', totals: { copied: 0 } });
    expect(factory.writes()).toHaveLength(1);
  });

  it('a run does not wait for ever', async () => {
    await start({ lock: { waitMs: 1 } });
    await putLock(theirs);
    expect((await factory.sync()).status).toBe('SKIPPED');
  });

  it('an interruption ends the waiting', async () => {
    await start({ lock: { waitMs: 3_600_000 } });
    await putLock(theirs);
    const interruption = new AbortController();
    at('/lock.json', () => setTimeout(() => interruption.abort(), 10));
    const report = await factory.sync({}, { signal: interruption.signal });
    expect(report.error?.name).toBe('Interrupted');
    expect(await lockNow()).toEqual(theirs);
  });
});

describe('the lock', () => {
  it('releases the lock whatever the outcome', async () => {
    await start();
    factory.harness.setDefault('ci', 'K8', 'gcsUploadTag', 'plugins/gcs:9.9.9');
    expect((await factory.sync()).error?.name).toBe('ImagesFailed');
    expect(await lockNow()).toBeNull();
    factory.harness.setDefault('ci', 'K8', 'gcsUploadTag', undefined);
    const interruption = new AbortController();
    at('/snapshot.json', () => interruption.abort());
    expect((await factory.sync({}, { signal: interruption.signal })).error?.name).toBe('Interrupted');
    expect(await lockNow()).toBeNull();
    factory.harness.quirks.failNext = [{ count: 100, status: 503, path: 'get-default-config' }];
    expect((await factory.sync()).error?.name).toBe('HarnessUnreachable');
    expect(await lockNow()).toBeNull();
  });

  it('shows who holds the lock, since when and until when', async () => {
    await start();
    let seen: Lock | null | undefined;
    at('/snapshot.json', async () => (seen = await lockNow()));
    const { runId } = await factory.sync();
    expect(seen).toMatchObject({ runId, action: 'sync' });
    expect(Date.parse(seen?.expiresAt ?? '') - Date.parse(seen?.renewedAt ?? '')).toBe(30 * 60_000);
  });

  it('takes over the expired lock of a dead run, and reports that run', async () => {
    await start();
    await putLock({ ...theirs, expiresAt: minutes(-0.1) });
    const report = await factory.sync();
    expect(report.status).toBe('SUCCEEDED');
    expect(report.warnings?.join()).toContain(
      `run other, which had the lock since ${theirs.since}, ended without a report`,
    );
    expect(report.warnings?.join()).not.toContain('restore');
    // One that had begun to switch can be taken back.
    const { runId } = report;
    await putLock({ ...theirs, runId, expiresAt: minutes(-0.1) });
    expect((await factory.sync()).warnings?.join()).toContain(`"factory restore --run ${runId}"`);
  });

  const process = { table: 'here', pid: 7 };
  const here = (alive: boolean): LockOptions => ({
    process: { identity: { table: 'here', pid: 8 }, isGone: ({ table }) => table === 'here' && !alive },
  });

  it.each([
    ['a run takes the lock of a process that is gone at once', here(false), process, 'SUCCEEDED'],
    ['a run is skipped while the process that holds the lock lives', here(true), process, 'SKIPPED'],
    [
      'a run is skipped while a process somewhere else holds the lock',
      here(false),
      { table: 'there', pid: 7 },
      'SKIPPED',
    ],
  ])('%s', async (_, lock, owner, status) => {
    await start({ lock });
    await putLock({ ...theirs, process: owner });
    let seen: Lock | null | undefined;
    at('/snapshot.json', async () => (seen = await lockNow()));
    expect((await factory.sync()).status).toBe(status);
    if (status === 'SUCCEEDED') expect(seen?.process).toEqual({ table: 'here', pid: 8 });
  });

  it('recognizes the lock of its own plan task when that is retried', async () => {
    await start();
    await putLock({ ...theirs, runId: 'again' });
    expect((await factory.sync({}, { runId: 'again' })).status).toBe('SUCCEEDED');
  });

  it('renews the lock in every task, at most once in a few minutes', async () => {
    await start();
    const seen: (Lock | null | undefined)[] = [];
    const stale = (lock: Lock | null | undefined) =>
      ({ ...lock, renewedAt: minutes(-6), expiresAt: minutes(1) }) as Lock;
    factory.store.onPut = async (key) => {
      if (key.endsWith('/plan.json')) await putLock(stale(await lockNow()));
      // The result of a copy: the lock is still held.
      if (/\/images\/\d+\.json$/.test(key)) seen.push(await lockNow());
    };
    const { runId } = await factory.sync({ max_concurrency: 1 });
    factory.store.onPut = () => undefined;
    expect(seen.length).toBeGreaterThan(1);
    expect(new Set(seen.map((lock) => lock?.renewedAt)).size).toBe(1);
    expect(Date.parse(seen[0]?.expiresAt ?? '')).toBeGreaterThan(Date.parse(minutes(25)));
    // A task of a run whose lock is another's leaves it alone.
    await putLock(theirs);
    await factory.task(copy, { runId, image: 0 });
    expect(await lockNow()).toEqual(theirs);
  });

  it('outlives a pause in which nothing of the run is at work, also when a shorter one follows', async () => {
    await start();
    await factory.sync({}, { runId: 'pausing' });
    await putLock({ ...theirs, runId: 'pausing' });
    await factory.task((_, { runtime }) => runtime.lock.renew('pausing', 6 * 3_600), {});
    await factory.task((_, { runtime }) => runtime.lock.renew('pausing', 60), {});
    expect(Date.parse((await lockNow())?.expiresAt ?? '')).toBeGreaterThan(Date.parse(minutes(6 * 60 + 25)));
  });
});

describe('a run that lost its lock', () => {
  const before = { gitCloneTag: 'harness/drone-git:1.5.0' };

  it('does not begin to write, and leaves Harness as it was', async () => {
    await start({ harness: { accounts: { embedded: { ci: { K8: { ...before }, VM: {} } } } } });
    at('/snapshot.json', () => putLock(theirs));
    const report = await factory.sync();
    expect(report.error).toMatchObject({
      name: 'LockLost',
      message: expect.stringContaining('this run no longer has the lock of account embedded: run other (reset)'),
    });
    expect(factory.writes()).toEqual([]);
    expect(factory.overrides()).toEqual(before);
    expect(await lockNow()).toEqual(theirs);
  });

  it('does not write between the other run’s writes to undo its own, and says what is left', async () => {
    await start();
    at('/config.json', async () => {
      await putLock(theirs);
      factory.target.storage.deleteTag('mirror/plugins/cache', '1.10.12');
    });
    const report = await factory.sync();
    expect(factory.writes()).toHaveLength(1);
    expect(report.error).toMatchObject({
      name: 'RollbackFailed',
      message: expect.stringMatching(
        /could not be put back \(this run no longer has the lock.*ci K8 cacheS3Tag is .*, not unset/,
      ),
    });
  });

  it('deletes nothing', async () => {
    await start();
    await factory.sync({ include_fields: ['cacheS3Tag'] });
    const release = (version: string, input = {}) => {
      factory.publish([`plugins/cache:${version}`]);
      factory.harness.setDefault('ci', 'K8', 'cacheS3Tag', `plugins/cache:${version}`);
      return factory.sync({ include_fields: ['cacheS3Tag'], ...input });
    };
    for (const version of ['2', '3', '4']) await release(version);
    at('/config.json', () => putLock(theirs));
    const report = await release('5', { prune: true, keep_versions: 1 });
    expect(report.warnings?.join()).toContain('prune stopped: this run no longer has the lock');
    expect(factory.target.storage.tags('mirror/plugins/cache')).toEqual(['1.10.12', '2', '3', '4', '5']);
  });
});
