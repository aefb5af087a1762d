import { expect, it } from '@jest/globals';
import pLimit from 'p-limit';
import { inTurn } from '../../functions/async/in-turn.ts';

it('ends the wait for a slot by its signal, and leaves the slot to the next', async () => {
  const limit = pLimit(1);
  const first = Promise.withResolvers<string>();
  const log: string[] = [];
  const holding = inTurn(limit, undefined, () => first.promise);
  const stopped = new AbortController();
  const reason = new Error('enough');
  const waiting = inTurn(limit, stopped.signal, async () => log.push('never'));
  const next = inTurn(limit, undefined, async () => log.push('next'));
  stopped.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  expect(log).toEqual([]);
  first.resolve('done');
  expect(await holding).toBe('done');
  await next;
  expect(log).toEqual(['next']);
});
