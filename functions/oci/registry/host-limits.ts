import { type Clock, wallClock } from './clock.ts';

/**
 * What a request may hold while it waits for another one, and in this order only: an `upload` streams what a `download`
 * brings, and whoever reads a `download` may send what it has as plain `request`s; a `request` holds nothing. Each has
 * slots of its own, so nobody ever waits in a circle, even when source and destination are one host.
 */
export type Lane = 'upload' | 'download' | 'request';

/** Bodies to and from one registry at once; the transport has connections for all three lanes. */
const most = 16;
/** A plain request waits for the registry more than it works: for each body under way, so many. */
const requestsPerBody = 2;
const least = 2;
/** So many requests in a row without a refusal allow one more at once. */
const successesPerStep = 20;

/** What a registry was asked, and how it took it. */
export interface HostCounts {
  /** By method; every try counts, but not redirects and logins. */
  readonly requests: Readonly<Record<string, number>>;
  readonly retries: number;
  /** Answers 429. */
  readonly throttles: number;
  /** How often everything to the host was held back because it named a time. */
  readonly pauses: number;
  /** Blobs that it took from another of its repositories. */
  readonly mounts: number;
  /** Bodies that may be under way at once, each way, now; of plain requests twice as many. */
  readonly concurrency: number;
}

/** A request's place among those under way. */
export interface Slot {
  succeeded: () => void;
  /** The registry answered 429; `pauseMs` is how long it wants to be left alone. */
  throttled: (pauseMs: number | undefined) => void;
  /** Gives the place to the next; may be called more than once. */
  leave: () => void;
}

/**
 * How much one registry is asked at once: less when it answers 429, slowly more again when it does not (additive
 * increase, multiplicative decrease, as TCP has it), and nothing while it wants to be left alone.
 */
export class HostLimits {
  readonly #clock: Clock;
  readonly #lanes: Record<Lane, { active: number; waiting: Set<() => void> }> = {
    upload: { active: 0, waiting: new Set() },
    download: { active: 0, waiting: new Set() },
    request: { active: 0, waiting: new Set() },
  };
  readonly #requests: Record<string, number> = {};
  #concurrency = most;
  #successes = 0;
  #notBefore = 0;
  readonly #watchers = new Set<(until: number) => void>();
  #retries = 0;
  #throttles = 0;
  #pauses = 0;
  #mounts = 0;
  /** Counted to tell an answer to what was sent before the last decrease. */
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
    // Another answer may prolong the pause meanwhile.
    while (this.#clock.now() < this.#notBefore && !signal?.aborted) {
      await this.#clock.sleep(this.#notBefore - this.#clock.now(), signal);
    }
    if (signal?.aborted) {
      leave();
      throw signal.reason;
    }
    this.#requests[method] = (this.#requests[method] ?? 0) + 1;
    const sentAfter = this.#decreases;
    return {
      succeeded: () => this.#increase(),
      throttled: (pauseMs) => this.#throttled(pauseMs, sentAfter),
      leave,
    };
  }

  /** Tells of each pause, in force or to come: until when, in milliseconds since the epoch. Returns how to stop that. */
  watchPauses(watcher: (until: number) => void): () => void {
    this.#watchers.add(watcher);
    watcher(this.#notBefore);
    return () => this.#watchers.delete(watcher);
  }

  retried(): void {
    this.#retries++;
  }

  mounted(): void {
    this.#mounts++;
  }

  counts(): HostCounts {
    return {
      requests: { ...this.#requests },
      retries: this.#retries,
      throttles: this.#throttles,
      pauses: this.#pauses,
      mounts: this.#mounts,
      concurrency: this.#concurrency,
    };
  }

  async #turn(lane: Lane, signal?: AbortSignal): Promise<void> {
    const { waiting } = this.#lanes[lane];
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
    this.#throttles++;
    this.#successes = 0;
    if (pauseMs !== undefined && pauseMs > 0) {
      this.#pauses++;
      this.#notBefore = Math.max(this.#notBefore, this.#clock.now() + pauseMs);
      for (const watcher of this.#watchers) watcher(this.#notBefore);
    }
    // What was under way together is refused together: that is one refusal.
    if (sentAfter !== this.#decreases) return;
    this.#decreases++;
    this.#concurrency = Math.max(least, Math.floor(this.#concurrency / 2));
  }
}
