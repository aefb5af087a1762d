import { setTimeout as sleep } from 'node:timers/promises';

/** What to do about a failed attempt: give up, or try again (not before `afterMs`, when the server named a time). */
export interface Verdict {
  retry: boolean;
  afterMs?: number | undefined;
}

export interface RetryOptions {
  /** Attempts in all, the first included. */
  attempts: number;
  /** Backoff ceiling of the first retry, in milliseconds; doubles with each further one. */
  baseMs: number;
  /** Backoff ceiling that is never exceeded, in milliseconds. A server's own `afterMs` may exceed it. */
  maxMs: number;
  judge: (error: unknown) => Verdict;
  signal?: AbortSignal | undefined;
  /** Told before each pause. */
  onRetry?: (error: unknown, attempt: number, pauseMs: number) => void;
}

/**
 * Runs `attempt` until it succeeds, with exponential backoff and full jitter, which spreads competing clients best
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
 */
export async function retry<T>(attempt: (n: number) => Promise<T>, options: RetryOptions): Promise<T> {
  for (let n = 1; ; n++) {
    options.signal?.throwIfAborted();
    try {
      return await attempt(n);
    } catch (error) {
      const verdict: Verdict = n < options.attempts ? options.judge(error) : { retry: false };
      if (!verdict.retry || options.signal?.aborted) throw error;
      const ceiling = Math.min(options.maxMs, options.baseMs * 2 ** (n - 1));
      const pauseMs = Math.round((verdict.afterMs ?? 0) + Math.random() * ceiling);
      options.onRetry?.(error, n, pauseMs);
      // An abort ends the pause; the signal's own reason is thrown above.
      await sleep(pauseMs, undefined, options.signal && { signal: options.signal }).catch(() => undefined);
    }
  }
}

/**
 * `Retry-After` in milliseconds from now: delay seconds or an HTTP date (RFC 9110, 10.2.3).
 * Returns `undefined` for anything else.
 */
export function parseRetryAfter(header: string | undefined, now = Date.now()): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header.trim()) * 1000;
  // `Date.parse` alone takes numbers and fragments for years; every HTTP date begins with the day's name.
  const date = /^\s*(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(header) ? Date.parse(header) : NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** Answers that a later try may turn into success; 499 and 522 are what proxies send for a cut connection. */
export const transientStatuses: ReadonlySet<number> = new Set([408, 429, 499, 500, 502, 503, 504, 522]);
