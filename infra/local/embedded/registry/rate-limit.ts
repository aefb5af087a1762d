import { RegistryError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import type { Quirks } from './quirks.ts';

/** Counts what registries limit: manifest pulls in a long window, manifest pushes in a second. */
export class RateLimit {
  readonly #quirks: Quirks;
  #windowStart = Date.now();
  #puts = { second: 0, count: 0 };

  constructor(quirks: Quirks) {
    this.#quirks = quirks;
  }

  /** A manifest GET is a pull, a HEAD is free (https://docs.docker.com/docker-hub/usage/pulls/). Throws 429. */
  pull(exchange: Exchange): void {
    const rate = this.#quirks.rateLimit;
    if (!rate) return;
    if (Date.now() - this.#windowStart >= rate.windowSeconds * 1000) {
      this.#windowStart = Date.now();
      rate.remaining = rate.limit;
    }
    const remaining = rate.remaining ?? rate.limit;
    const counts = exchange.method === 'GET';
    rate.remaining = counts ? Math.max(0, remaining - 1) : remaining;
    exchange.answerHeaders['ratelimit-limit'] = `${rate.limit};w=${rate.windowSeconds}`;
    exchange.answerHeaders['ratelimit-remaining'] = `${rate.remaining};w=${rate.windowSeconds}`;
    exchange.answerHeaders['docker-ratelimit-source'] = '127.0.0.1';
    if (counts && remaining <= 0) throw tooManyRequests(rate);
  }

  /** ECR: PutImage calls per second and account. Throws 429. */
  push(): void {
    const perSecond = this.#quirks.manifestPutsPerSecond;
    if (perSecond === undefined) return;
    const second = Math.floor(Date.now() / 1000);
    if (this.#puts.second !== second) this.#puts = { second, count: 0 };
    if (++this.#puts.count > perSecond) throw new RegistryError(429, 'TOOMANYREQUESTS', 'Rate exceeded');
  }
}

function tooManyRequests(rate: NonNullable<Quirks['rateLimit']>): RegistryError {
  const headers: Record<string, string> = {};
  if (rate.retryAfter) {
    const { seconds, as } = rate.retryAfter;
    headers['retry-after'] = as === 'date' ? new Date(Date.now() + seconds * 1000).toUTCString() : String(seconds);
  }
  const message = 'You have reached your pull rate limit.';
  return new RegistryError(429, 'TOOMANYREQUESTS', message, { headers, plainText: rate.body === 'text' });
}
