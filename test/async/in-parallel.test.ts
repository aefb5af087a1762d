import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { inParallel } from '../../functions/async/in-parallel.ts';

const tick = () => new Promise(setImmediate);

describe('work in parallel', () => {
  it('handles every item, and never more at once than the limit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 12 }), async (limit, count) => {
        const done: number[] = [];
        let running = 0;
        await inParallel(
          Array.from({ length: count }).map((_, i) => i),
          limit,
          undefined,
          async (item) => {
            expect(++running).toBeLessThanOrEqual(limit);
            await tick();
            running--;
            done.push(item);
          },
        );
        expect(done).toHaveLength(count);
      }),
      { numRuns: 20 },
    );
  });

  it('throws the first failure after the others were aborted and have ended', async () => {
    const ended: string[] = [];
    const work = inParallel(['fails', 'waits', 'never begins'], 2, undefined, async (item, signal) => {
      if (item === 'fails') throw new Error('first');
      while (!signal.aborted) await tick();
      await tick();
      ended.push(item);
      throw new Error('consequence');
    });
    await expect(work).rejects.toThrow('first');
    expect(ended).toEqual(['waits']);
  });

  it('ends by the outer signal with its reason', async () => {
    const controller = new AbortController();
    const work = inParallel([1, 2], 1, controller.signal, async (_, signal) => {
      controller.abort(new Error('outside'));
      signal.throwIfAborted();
    });
    await expect(work).rejects.toThrow('outside');
  });
});
