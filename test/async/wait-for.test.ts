import { describe, expect, it } from '@jest/globals';
import { waitFor } from '../../functions/async/wait-for.ts';

describe('waiting for shared work', () => {
  it('returns its result or throws its failure, with and without a signal', async () => {
    const { signal } = new AbortController();
    expect(await waitFor(Promise.resolve(1), signal)).toBe(1);
    expect(await waitFor(Promise.resolve(2))).toBe(2);
    await expect(waitFor(Promise.reject(new Error('broken')), signal)).rejects.toThrow('broken');
  });

  it('ends for one waiter by its signal, while the work and the other waiters continue', async () => {
    const controller = new AbortController();
    const shared = Promise.withResolvers<string>();
    const impatient = waitFor(shared.promise, controller.signal);
    const patient = waitFor(shared.promise, new AbortController().signal);
    controller.abort(new Error('no time'));
    await expect(impatient).rejects.toThrow('no time');
    shared.resolve('done');
    expect(await patient).toBe('done');
    await expect(waitFor(shared.promise, controller.signal)).rejects.toThrow('no time');
  });
});
