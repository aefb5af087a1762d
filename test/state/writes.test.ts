import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { isWriting, writing } from '../../functions/state/writes.ts';
import { accountId, change, runId, setStage, type Stage } from '../tasks/stage.ts';
import { stopClock } from './clock.ts';

const start = Date.parse('2026-01-01T00:00:00.000Z');
const minute = 60_000;
let stage: Stage;
beforeEach(async () => {
  stopClock(start);
  stage = setStage();
  await stage.runtime.lock.take({ runId, action: 'sync' }, accountId);
});
afterEach(() => {
  jest.useRealTimers();
});

const k8 = { module: 'ci', infrastructureType: 'K8' } as const;
const vm = { module: 'ci', infrastructureType: 'VM' } as const;
const notes = () => stage.documents.writes.find();
const write = (scope: typeof k8 | typeof vm, work: () => Promise<unknown> = async () => undefined) =>
  writing(stage.documents, stage.runtime.lock, scope, work);

describe('a write', () => {
  it('records a write before it is sent, and its scope once afterwards', async () => {
    const during: unknown[] = [];
    const look = async () => void during.push(await notes());
    await writing(stage.documents, stage.runtime.lock, change('addonTag', '1'), look);
    expect(await notes()).toEqual({ begun: [k8] });
    await write(vm, look);
    await write(k8, look);
    const since = new Date(start).toISOString();
    expect(during).toEqual([
      { begun: [k8], since },
      { begun: [k8, vm], since },
      { begun: [k8, vm], since },
    ]);
    expect(await notes()).toEqual({ begun: [k8, vm] });
  });

  it('returns the result of the write, or throws its error', async () => {
    expect(await write(k8, async () => 7)).toBe(7);
    const error = new Error('refused');
    await expect(write(k8, async () => Promise.reject(error))).rejects.toBe(error);
    expect(await notes()).toEqual({ begun: [k8] });
  });

  it('sends no write without the lock', async () => {
    let sent = false;
    const late = writing(stage.runtime.run('late'), stage.runtime.lock, k8, async () => void (sent = true));
    await expect(late).rejects.toMatchObject({ name: 'LockLost' });
    expect(sent).toBe(false);
    expect(await isWriting(stage.runtime.run('late'))).toBe(false);
  });

  it.each([
    ['while it is under way', 0, true],
    ['as long as its function may live', 15 * minute - 1, true],
    ['not after that', 15 * minute, false],
  ])('expects a write to be carried out %s', async (_, age, expected) => {
    let writes: boolean | undefined;
    await write(k8, async () => {
      jest.setSystemTime(start + age);
      writes = await isWriting(stage.documents);
    });
    expect(writes).toBe(expected);
    expect(await isWriting(stage.documents)).toBe(false);
  });

  it('finds no write in progress in a run that never wrote', async () => {
    expect(await isWriting(stage.runtime.run('never'))).toBe(false);
  });
});
