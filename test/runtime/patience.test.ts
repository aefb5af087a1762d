import { expect, it } from '@jest/globals';
import { Patience } from '../../functions/runtime/patience.ts';

it('gives a rollback up once, and only while it waits', () => {
  const patience = new Patience(60_000);
  expect(patience.limitMs).toBe(60_000);
  expect([patience.giveUp(), patience.signal.aborted]).toEqual([false, false]);
  patience.begin();
  patience.end();
  expect([patience.giveUp(), patience.signal.aborted]).toEqual([false, false]);
  patience.begin();
  expect([patience.giveUp(), patience.signal.aborted]).toEqual([true, true]);
  expect(patience.giveUp()).toBe(false);
});
