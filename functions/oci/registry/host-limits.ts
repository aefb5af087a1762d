import { type Clock, wallClock } from './clock.ts';

/**
 * A group of requests with its own slots. An `upload` waits for a `download`, a `download` for plain `request`s, and a
 * `request` for nothing. So no requests wait in a circle, even when source and destination are one host.
 */
export type Lane = 'upload' | 'download' | 'request';

/** Maximum number of bodies in flight, each way. The transport has connections for all three lanes. */
const most = 16;
/** Plain requests per body in flight: they mostly wait for the registry. More of them take more memory. */
const requestsPerBody = 1.5;
const least = 2;
/** Successes in a row after which the concurrency rises by one. */
const successesPerStep = 20;

export interface HostCounts {
  /** Requests by method, with retries, but without redirects and logins. */
  readonly requests: Readonly<Record<string, number>>;
  readonly retries: number;
  /** Responses 429. */
  readonly throttles: number;
  /** Pauses of all requests because the registry sent a `Retry-After`. */
  readonly pauses: number;
  /** Blobs mounted from another repository. */
  readonly mounts: number;
  /** Current maximum of bodies in flight, each way. Of plain requests it is one and a half times as many. */
  readonly concurrency: number;
}

export interface Slot {
  succeeded: () => void;
  /** Records a 429. `pauseMs` is the requested pause, in milliseconds. */
  throttled: (pauseMs: number | undefined) => void;
  /** Frees the slot. Idempotent. */
  leave: () => void;
}

/**
 * Limits the concurrent requests to one registry: additive increase, multiplicative decrease on 429, as in TCP. Sends
 * nothing during a pause that the registry requested.
 */
export class HostLimits {
  readonly #clock: Clock;
  readonly #lanes: Record<Lane, { active: number; waiting: Set<() => void> }> = {
    upload: { active: 0, waiting: new Set() },
    download: { active: 0, waiting: new Set() },
    request: { active: 0, waiting: new Set() },
  };
  readonly #counts = { requests: {} as Record<string, number>, retries: 0, throttles: 0, pauses: 0, mounts: 0 };
  #concurrency = most;
  #successes = 0;
  #notBefore = 0;
  readonly #watchers = new Set<(until: number) => void>();
  /** Number of decreases, to recognize responses to requests that were sent before the last one. */
  #decreases = 0;

  constructor(clock: Clock = wallClock) {
    this.#clock = clock;
  }

  /** Waits for a slot, first come, first served, and for the end of a pause. Throws the signal's reason. */
  async enter(lane: Lane, method: string, signal?: AbortSignal): Promise<Slot> {
    signal?.throwIfAborted();
    await this.#turn(lane, signal);
    let left = false;
    const leave = () => {
      if (left) return;
      left = true;
      this.#lanes[lane].active--;
      this.#admit();
    };
    // Another response may prolong the pause meanwhile.
    while (this.#clock.now() < this.#notBefore && !signal?.aborted) {
      await this.#clock.sleep(this.#notBefore - this.#clock.now(), signal);
    }
    if (signal?.aborted) {
      leave();
      throw signal.reason;
    }
    this.#counts.requests[method] = (this.#counts.requests[method] ?? 0) + 1;
    const sentAfter = this.#decreases;
    return {
      succeeded: () => this.#increase(),
      throttled: (pauseMs) => this.#throttled(pauseMs, sentAfter),
      leave,
    };
  }

  /** Calls `watcher` with the end of each pause, in milliseconds since the epoch. Returns a function that stops it. */
  watchPauses(watcher: (until: number) => void): () => void {
    this.#watchers.add(watcher);
    watcher(this.#notBefore);
    return () => this.#watchers.delete(watcher);
  }

  retried(): void {
    this.#counts.retries++;
  }

  mounted(): void {
    this.#counts.mounts++;
  }

  counts(): HostCounts {
    return { ...structuredClone(this.#counts), concurrency: this.#concurrency };
  }

  async #turn(lane: Lane, signal?: AbortSignal): Promise<void> {
    const { waiting, active } = this.#lanes[lane];
    if (waiting.size === 0 && active < this.#width(lane)) {
      this.#lanes[lane].active++;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = () => {
      waiting.delete(resolve);
      reject(signal?.reason as Error);
    };
    waiting.add(resolve);
    signal?.addEventListener('abort', abort, { once: true });
    this.#admit();
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  #admit(): void {
    for (const lane of ['upload', 'download', 'request'] as const) {
      const { waiting } = this.#lanes[lane];
      for (const go of waiting) {
        if (this.#lanes[lane].active >= this.#width(lane)) break;
        waiting.delete(go);
        this.#lanes[lane].active++;
        go();
      }
    }
  }

  #width(lane: Lane): number {
    return lane === 'request' ? this.#concurrency * requestsPerBody : this.#concurrency;
  }

  #increase(): void {
    if (this.#concurrency === most || ++this.#successes < successesPerStep) return;
    this.#successes = 0;
    this.#concurrency++;
    this.#admit();
  }

  #throttled(pauseMs: number | undefined, sentAfter: number): void {
    this.#counts.throttles++;
    this.#successes = 0;
    if (pauseMs !== undefined && pauseMs > 0) {
      this.#counts.pauses++;
      this.#notBefore = Math.max(this.#notBefore, this.#clock.now() + pauseMs);
      for (const watcher of this.#watchers) watcher(this.#notBefore);
    }
    // Requests in flight together are refused together: that counts as one refusal.
    if (sentAfter !== this.#decreases) return;
    this.#decreases++;
    this.#concurrency = Math.max(least, Math.floor(this.#concurrency / 2));
  }
}
