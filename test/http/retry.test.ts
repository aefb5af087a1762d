import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseRetryAfter, retry, type RetryOptions } from '../../functions/http/retry.ts';

const options: RetryOptions = { attempts: 3, baseMs: 0, maxMs: 0, judge: () => ({ retry: true }) };
const longAgo = { retry: true, afterMs: 3_600_000 };

/** Fails a number of times, then returns the number of the attempt. */
function failing(times: number): (n: number) => Promise<number> {
  return async (n) => {
    if (n <= times) throw new Error(`failure ${n}`);
    return n;
  };
}

describe('retry', () => {
  it('returns the first success', async () => {
    expect(await retry(failing(0), options)).toBe(1);
    expect(await retry(failing(2), options)).toBe(3);
  });

  it('never makes more attempts than allowed, and throws the last failure', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 8 }), async (attempts) => {
        const seen: number[] = [];
        const attempt = (n: number) => failing(99)(seen.push(n));
        await expect(retry(attempt, { ...options, attempts })).rejects.toThrow(`failure ${attempts}`);
        expect(seen).toEqual(Array.from({ length: attempts }, (_, i) => i + 1));
      }),
    );
  });

  it('stops immediately when the verdict is not to retry', async () => {
    await expect(retry(failing(1), { ...options, judge: () => ({ retry: false }) })).rejects.toThrow('failure 1');
  });

  it('reports each pause, which respects the maximum and the time that the server named', async () => {
    const pauses: [number, number][] = [];
    await retry(failing(4), {
      ...options,
      attempts: 5,
      baseMs: 1,
      maxMs: 4,
      judge: () => ({ retry: true, afterMs: 3 }),
      onRetry: (_, attempt, pause) => pauses.push([attempt, pause]),
    });
    expect(pauses.map(([attempt]) => attempt)).toEqual([1, 2, 3, 4]);
    pauses.forEach(([, pause], i) => {
      expect(pause).toBeGreaterThanOrEqual(3);
      expect(pause).toBeLessThanOrEqual(3 + Math.min(4, 2 ** i));
    });
  });

  it('does not begin with an aborted signal', async () => {
    const reason = new Error('stop');
    const attempt = async () => expect('called').toBe('never');
    await expect(retry(attempt, { ...options, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it('ends a pause when aborted, with the reason of the signal', async () => {
    const controller = new AbortController();
    const reason = new Error('stop');
    const waiting = retry(failing(1), {
      ...options,
      judge: () => longAgo,
      signal: controller.signal,
      onRetry: () => controller.abort(reason),
    });
    await expect(waiting).rejects.toBe(reason);
  });

  it('does not repeat what failed because of the abort', async () => {
    const controller = new AbortController();
    const calls: number[] = [];
    const attempt = async (n: number) => {
      calls.push(n);
      controller.abort();
      throw new Error('cut');
    };
    await expect(retry(attempt, { ...options, signal: controller.signal })).rejects.toThrow('cut');
    expect(calls).toEqual([1]);
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');

  it.each([
    ['0', 0],
    [' 120 ', 120_000],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
    // RFC 850's form, which recipients must still read.
    ['Thursday, 01-Jan-26 00:00:05 GMT', 5_000],
  ])('parses %j', (header, ms) => {
    expect(parseRetryAfter(header, now)).toBe(ms);
  });

  it('means now for a time in the past', () => {
    expect(parseRetryAfter('Wed, 31 Dec 2025 23:59:00 GMT', now)).toBe(0);
  });

  it.each([undefined, '', '-5', '1.5', '1e3', 'soon', '12 seconds', '2026-01-01', '99999999999999999999'])(
    '%j says nothing',
    (header) => {
      expect(parseRetryAfter(header, now)).toBeUndefined();
    },
  );

  it('never returns a time in the past', () => {
    fc.assert(
      fc.property(fc.string(), (header) => {
        const ms = parseRetryAfter(header, now);
        expect(ms === undefined || ms >= 0).toBe(true);
      }),
    );
  });
});
