import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Deadline } from '../../../functions/oci/copy/deadline.ts';
import type { Clock } from '../../../functions/oci/registry/clock.ts';

const clock: Clock = { now: () => 1_000_000, sleep: () => new Promise(() => undefined) };
const margins = (remainingMs: number) => {
  const { stopAt, pauseAt } = Deadline.in(remainingMs, clock);
  const end = clock.now() + remainingMs;
  return [end - stopAt, end - pauseAt];
};

describe('a call', () => {
  it.each([
    [900_000, 60_000, 20_000],
    [300_000, 60_000, 20_000],
    [120_000, 30_000, 10_000],
    [12_000, 3_000, 1_000],
  ])(
    'plans a call of %d ms: it begins nothing in its last %d ms, and pauses in its last %d',
    (remaining, stop, pause) => {
      expect(margins(remaining)).toEqual([stop, pause]);
    },
  );

  it('stops before it pauses, and pauses before the call ends, whatever its length', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 900_000 }), (remaining) => {
        const { stopAt, pauseAt } = Deadline.in(remaining, clock);
        expect(clock.now()).toBeLessThan(stopAt);
        expect(stopAt).toBeLessThan(pauseAt);
        expect(pauseAt).toBeLessThan(clock.now() + remaining);
      }),
    );
  });
});
