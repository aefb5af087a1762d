import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { AccountLock, lockSchema, type Lock, type LockOptions } from '../../functions/state/lock.ts';
import { getJson } from '../../functions/state/object-store.ts';
import { accountId, setStage, type Stage } from '../tasks/stage.ts';
import { stopClock } from './clock.ts';

const start = Date.parse('2026-01-01T00:00:00.000Z');
const minute = 60_000;
const at = (ms: number) => new Date(start + ms).toISOString();
const life = 30 * minute;

let stage: Stage;
beforeEach(() => {
  stopClock(start);
  stage = setStage();
});
afterEach(() => {
  jest.useRealTimers();
});

const locks = (options: LockOptions = {}) =>
  new AccountLock(stage.store, options, (message) => stage.notes.push(message));
const take = (runId: string, from?: string[], lock?: LockOptions) => {
  return locks(lock).take({ runId, action: 'sync', ...(from && { from }) }, accountId);
};
const lockNow = () => getJson(stage.store, `locks/${accountId}.json`, lockSchema);
const lockOf = (runId: string, since = 0): Lock => ({
  runId,
  action: 'sync',
  since: at(since),
  renewedAt: at(since),
  expiresAt: at(since + life),
});
const later = (ms: number) => jest.setSystemTime(start + ms);

describe('the lock of an account', () => {
  it('takes a free lock for half an hour', async () => {
    expect(await take('mine')).toEqual({});
    expect(await lockNow()).toEqual(lockOf('mine'));
  });

  it('lets any run take a released lock', async () => {
    await take('first');
    await locks().release('first');
    expect(await lockNow()).toBeNull();
    expect(await take('second')).toEqual({});
    expect(await lockNow()).toEqual(lockOf('second'));
  });

  it('returns the lock of the run that holds it', async () => {
    await take('first');
    expect(await take('second')).toEqual({ holder: lockOf('first') });
    expect(await lockNow()).toEqual(lockOf('first'));
  });

  it('lets a run take its own lock again, and keeps the time since which it has it', async () => {
    await take('mine');
    later(minute);
    expect(await take('mine')).toEqual({});
    expect(await lockNow()).toEqual({ ...lockOf('mine', minute), since: at(0) });
  });

  it.each([
    [life - 1, false],
    [life, true],
  ])('takes the lock of a dead run: %i ms after its last renewal: %s', async (age, taken) => {
    await take('first');
    later(age);
    const first = lockOf('first');
    expect(await take('second')).toEqual(taken ? { dead: first } : { holder: first });
    expect(await lockNow()).toEqual(taken ? lockOf('second', age) : first);
  });

  it('takes the lock of a run that is known to be over at once', async () => {
    await take('stopped');
    expect(await take('next', ['unknown'])).toHaveProperty('holder');
    expect(await take('next', ['unknown', 'stopped'])).toEqual({ dead: lockOf('stopped') });
    expect(await lockNow()).toEqual(lockOf('next'));
  });

  it('holds a lock as long as its place needs, and renews it six times in that time', async () => {
    const lifeMs = 10 * minute;
    expect([locks().renewalMs, locks({ lifeMs }).renewalMs]).toEqual([5 * minute, 100_000]);
    await take('mine', [], { lifeMs });
    expect(await lockNow()).toEqual({ ...lockOf('mine'), expiresAt: at(lifeMs) });
    later(99_999);
    await locks({ lifeMs }).renew('mine');
    expect(await lockNow()).toMatchObject({ renewedAt: at(0) });
    later(100_000);
    await locks({ lifeMs }).renew('mine');
    expect(await lockNow()).toMatchObject({ renewedAt: at(100_000), expiresAt: at(100_000 + lifeMs) });
    later(100_000 + lifeMs);
    await take('second');
    await expect(locks({ lifeMs }).hold('mine')).rejects.toMatchObject({
      name: 'LockLost',
      hint: expect.stringContaining('for 10 minutes'),
    });
  });

  it('keeps a lock for each account', async () => {
    await take('mine');
    expect(await locks().take({ runId: 'other', action: 'reset' }, 'another')).toEqual({});
  });

  describe('a run in one process', () => {
    const identity = { table: 'here', pid: 8 };
    const options = (gone: boolean): LockOptions => ({ process: { identity, isGone: () => gone } });

    it('records the process of a run', async () => {
      await take('mine', [], options(false));
      expect(await lockNow()).toEqual({ ...lockOf('mine'), process: identity });
    });

    it.each([
      ['takes the lock of a process that is gone at once', options(true), 'dead'],
      ['leaves the lock of a process that lives', options(false), 'holder'],
      ['leaves the lock of a process where processes cannot be seen', { process: undefined as never }, 'holder'],
    ])('%s', async (_, taker, outcome) => {
      await take('first', [], options(false));
      expect(await take('second', [], taker)).toHaveProperty(outcome, { ...lockOf('first'), process: identity });
    });

    it('leaves the lock of a run that is not one process', async () => {
      await take('first');
      expect(await take('second', [], options(true))).toHaveProperty('holder');
    });
  });
});

describe('a run that waits for the lock', () => {
  /** Counts how often somebody looks at the lock, and does something before each look. */
  function watchLooks(before = async () => {}): () => number {
    let looks = 0;
    const update = stage.store.update.bind(stage.store);
    stage.store.update = async (...args) => {
      looks++;
      await before();
      return update(...args);
    };
    return () => looks;
  }

  it('returns the holder at once when it may not wait', async () => {
    await take('first');
    const looks = watchLooks();
    await take('second');
    expect([looks(), stage.notes]).toEqual([1, []]);
  });

  it('reports once which run it waits for, and takes the lock as soon as it is released', async () => {
    await take('first');
    const looks = watchLooks(async () => {
      if (looks() === 5) await stage.store.put(`locks/${accountId}.json`, Buffer.from('null'));
    });
    expect(await take('second', [], { waitMs: 1_000 * minute, pollMs: 1 })).toEqual({});
    expect(looks()).toBe(5);
    expect(stage.notes).toEqual([
      `run first (sync) has held the lock since 2026-01-01 00:00 UTC; the lock expires at 2026-01-01 00:30 UTC unless renewed: waiting for it, until 2026-01-01 16:40 UTC`,
    ]);
  });

  it('checks the lock again only after the pause, which an interruption ends', async () => {
    const hour = 60 * minute;
    await take('first');
    const interruption = new AbortController();
    const looks = watchLooks();
    const run = { runId: 'second', action: 'sync' } as const;
    const waiting = locks({ waitMs: hour, pollMs: hour }).take(run, accountId, interruption.signal);
    setTimeout(() => interruption.abort(), 50);
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    expect(looks()).toBe(1);
  });

  it('checks the lock a last time when its time is over', async () => {
    await take('first');
    const looks = watchLooks();
    expect(await take('second', [], { waitMs: 4, pollMs: 2 })).toHaveProperty('holder');
    expect([looks(), stage.notes.length]).toEqual([3, 1]);
  });
});

describe('a run that shows that it is alive', () => {
  it.each([
    [5 * minute - 1, 0],
    [5 * minute, 5 * minute],
  ])('renews its lock every five minutes, not more often: after %i ms', async (age, renewed) => {
    for (const renew of ['renew', 'hold'] as const) {
      later(0);
      await take('mine');
      later(age);
      await locks()[renew]('mine');
      expect(await lockNow()).toEqual({ ...lockOf('mine', renewed), since: at(0) });
      await locks().release('mine');
    }
  });

  it('extends its lock for a pause, also when a shorter one follows', async () => {
    await take('mine');
    await locks().renew('mine', 3_600);
    expect(await lockNow()).toEqual({ ...lockOf('mine'), expiresAt: at(60 * minute + life) });
    later(minute);
    await locks().renew('mine', 60);
    expect(await lockNow()).toEqual({ ...lockOf('mine'), renewedAt: at(minute), expiresAt: at(60 * minute + life) });
    later(60 * minute);
    await locks().renew('mine', 60);
    expect(await lockNow()).toMatchObject({ expiresAt: at(61 * minute + life) });
  });

  it('leaves the lock of another run', async () => {
    await take('first');
    await take('second');
    later(10 * minute);
    for (const runId of ['second', 'never']) {
      await locks().renew(runId);
      await locks().renew(runId, 60);
      await locks().release(runId);
    }
    expect(await lockNow()).toEqual(lockOf('first'));
  });
});

describe('a run without the lock', () => {
  const hint = 'It showed no sign of life for 30 minutes, as when a machine sleeps. Start it again.';

  it('fails with LockLost, and names the run that has the lock', async () => {
    await take('first');
    await take('second');
    await expect(locks().hold('second')).rejects.toMatchObject({
      name: 'LockLost',
      message: `this run no longer has the lock of account ${accountId}: run first (sync) has held the lock since 2026-01-01 00:00 UTC; the lock expires at 2026-01-01 00:30 UTC unless renewed`,
      hint,
    });
    await expect(locks().hold('first')).resolves.toBeUndefined();
  });

  it('fails with LockLost when no run has the lock', async () => {
    await take('mine');
    await locks().release('mine');
    await expect(locks().hold('mine')).rejects.toMatchObject({
      name: 'LockLost',
      message: `this run does not have the lock of account ${accountId}`,
      hint,
    });
  });
});
