import { setTimeout as sleep } from 'node:timers/promises';

/** The decision about a failed attempt. A retry waits at least `afterMs`, which the server named. */
export interface Verdict {
  retry: boolean;
  afterMs?: number | undefined;
}

export interface RetryOptions {
  /** The maximum number of attempts, including the first. */
  attempts: number;
  /** The maximum backoff before the first retry, in milliseconds. It doubles with each further retry. */
  baseMs: number;
  /** The limit of the maximum backoff, in milliseconds. It does not limit the server's `afterMs`. */
  maxMs: number;
  judge: (error: unknown) => Verdict;
  /** Called before each pause. */
  onRetry?: (error: unknown, attempt: number, pauseMs: number) => void;
  signal?: AbortSignal | undefined;
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
      // An abort ends the pause. The signal's reason is thrown above.
      await sleep(pauseMs, undefined, options.signal && { signal: options.signal }).catch(() => undefined);
    }
  }
}

/** Parses `Retry-After`, seconds or an HTTP date (RFC 9110, 10.2.3), into milliseconds from now. */
export function parseRetryAfter(header: string | undefined, now = Date.now()): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header.trim()) * 1000;
  // `Date.parse` also accepts numbers and fragments as years. Every HTTP date begins with the name of the day.
  const date = /^\s*(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(header) ? Date.parse(header) : NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** The statuses of responses that are retried. Proxies send 499 and 522 for a broken connection. */
export const transientStatuses: ReadonlySet<number> = new Set([408, 429, 499, 500, 502, 503, 504, 522]);
