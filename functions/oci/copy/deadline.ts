import { type LinkedAbort, linkedAbort } from '../../async/linked-abort.ts';
import { type Clock, wallClock } from '../registry/clock.ts';
import { longestPauseMs, type Registry } from '../registry/registry.ts';
import { RegistryFailure } from '../registry/registry-failure.ts';

/** Reason to pause work: its time is up, or a registry requires a longer pause than the time left. */
export class Paused extends Error {
  override readonly name = 'Paused';
  /** Earliest time to continue, in milliseconds since the epoch; `undefined`: at once. */
  readonly notBefore: number | undefined;
  readonly registry: string | undefined;

  constructor(notBefore?: number, registry?: string) {
    super('paused, to be continued');
    this.notBefore = notBefore;
    this.registry = registry;
  }
}

/** Longest pause between two calls, in milliseconds: the lifetime of a checkpoint. */
const longestWaitMs = 12 * 3_600_000;

/** The time limits of one call of a copy: no new work after `stopAt`, and running work is aborted at `pauseAt`. */
export class Deadline {
  /** Never comes: work runs to its end, or fails. */
  static readonly never = new Deadline(Infinity, Infinity);

  /** Milliseconds since the epoch. */
  readonly stopAt: number;
  readonly pauseAt: number;
  readonly #clock: Clock;

  constructor(stopAt: number, pauseAt: number, clock: Clock = wallClock) {
    this.stopAt = stopAt;
    this.pauseAt = pauseAt;
    this.#clock = clock;
  }

  /** Creates the deadline of a call that ends in `remainingMs`. Reserves the last minute, or quarter, for the end. */
  static in(remainingMs: number, clock: Clock = wallClock): Deadline {
    const margin = Math.min(60_000, remainingMs / 4);
    const end = clock.now() + remainingMs;
    return new Deadline(end - margin, end - margin / 3, clock);
  }

  now(): number {
    return this.#clock.now();
  }

  /** Returns whether new work may begin. */
  get admits(): boolean {
    return this.now() < this.stopAt;
  }

  /** Milliseconds until `pauseAt`. */
  get left(): number {
    return this.pauseAt - this.now();
  }

  /**
   * Runs `work` with a signal that aborts, with `Paused` as its reason, when time is up, or when one of the registries
   * requires a longer pause than the time left. Throws `Paused` then, and the errors of `work`.
   */
  async during<T>(
    registries: readonly Registry[],
    outer: AbortSignal | undefined,
    work: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    if (this === Deadline.never) return work(outer);
    using pause = linkedAbort(outer);
    const over = new AbortController();
    const watches = registries.map(({ limits, name }) =>
      limits.watchPauses((until) => {
        if (until > this.pauseAt) pause.abort(new Paused(until, name));
      }),
    );
    const alarm = this.#ring(pause, over.signal);
    try {
      return await work(pause.signal);
    } catch (error) {
      outer?.throwIfAborted();
      pause.signal.throwIfAborted();
      throw this.#pauseOf(error) ?? error;
    } finally {
      over.abort();
      for (const unwatch of watches) unwatch();
      await alarm;
    }
  }

  async #ring(pause: LinkedAbort, over: AbortSignal): Promise<void> {
    await this.#clock.sleep(this.left, over);
    if (!over.aborted) pause.abort(new Paused());
  }

  /** Treats a refusal with a `Retry-After` as a pause when the next call can wait that long. */
  #pauseOf(error: unknown): Paused | undefined {
    if (!(error instanceof RegistryFailure) || error.retryAfterMs === undefined) return undefined;
    const { retryAfterMs } = error;
    const waitable = retryAfterMs > Math.min(longestPauseMs, this.left) && retryAfterMs <= longestWaitMs;
    return waitable ? new Paused(this.now() + retryAfterMs, error.registry) : undefined;
  }
}
