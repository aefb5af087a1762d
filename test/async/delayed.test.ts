import { once } from 'node:events';
import { expect, it } from '@jest/globals';
import { delayed } from '../../functions/async/delayed.ts';

it.each(['before', 'after'])('aborts later than a signal that was aborted %s, with its reason', async (when) => {
  const controller = new AbortController();
  const reason = new Error('enough');
  if (when === 'before') controller.abort(reason);
  const late = delayed(controller.signal, 1);
  if (when === 'after') controller.abort(reason);
  expect(late.aborted).toBe(false);
  await once(late, 'abort');
  expect(late.reason).toBe(reason);
});
