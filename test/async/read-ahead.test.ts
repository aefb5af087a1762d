import { describe, expect, it } from '@jest/globals';
import { readAhead } from '../../functions/async/read-ahead.ts';

/** Counts to `last`, and records in `log` what it was asked for. */
function counting(last: number, log: string[]) {
  return async function* (signal: AbortSignal): AsyncGenerator<number, void, undefined> {
    try {
      for (let n = 1; n <= last; n++) {
        log.push(`read ${n}`);
        yield n;
      }
    } finally {
      log.push(signal.aborted ? 'aborted' : 'ended');
    }
  };
}

describe('a reader ahead', () => {
  it('reads one value while the one before it is in use, and no further', async () => {
    const log: string[] = [];
    for await (const n of readAhead(counting(3, log))) {
      await new Promise(setImmediate);
      log.push(`used ${n}`);
    }
    expect(log).toEqual(['read 1', 'read 2', 'used 1', 'read 3', 'used 2', 'ended', 'used 3']);
  });

  it('throws a failure after the values before it', async () => {
    const used: number[] = [];
    const read = async function* () {
      yield 1;
      yield await Promise.reject<number>(new Error('broke off'));
    };
    const all = async () => {
      for await (const n of readAhead(read)) {
        await new Promise(setImmediate);
        used.push(n);
      }
    };
    await expect(all()).rejects.toThrow('broke off');
    expect(used).toEqual([1]);
  });

  it('aborts a read that is still waiting when the iteration ends early', async () => {
    const read = async function* (signal: AbortSignal) {
      yield 1;
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    };
    const used: number[] = [];
    for await (const n of readAhead(read)) {
      used.push(n);
      break;
    }
    expect(used).toEqual([1]);
  });

  it('ends with the reason of the outer signal', async () => {
    const outer = new AbortController();
    const reason = new Error('enough');
    const read = async function* (signal: AbortSignal) {
      for (let n = 1; ; n++) {
        signal.throwIfAborted();
        yield n;
        await new Promise(setImmediate);
      }
    };
    const all = async () => {
      for await (const n of readAhead(read, outer.signal)) if (n === 2) outer.abort(reason);
    };
    await expect(all()).rejects.toBe(reason);
  });
});
