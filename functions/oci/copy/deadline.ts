import { type Clock, wallClock } from '../registry/host-limits.ts';
import { longestPauseMs, type Registry } from '../registry/registry.ts';
import { RegistryFailure } from '../registry/registry-failure.ts';

/** Why work stops that is to go on later: its time is up, or a registry wants to be left alone for longer than is left. */
export class Paused extends Error {
  override readonly name = 'Paused';
  /** When to go on, in milliseconds since the epoch; `undefined`: at once. */
  readonly notBefore: number | undefined;
  /** The registry that asked for it. */
  readonly registry: string | undefined;

  constructor(notBefore?: number, registry?: string) {
    super('paused, to go on later');
    this.notBefore = notBefore;
    this.registry = registry;
  }
}

/** The longest pause that is waited for between two calls, in milliseconds: as long as a checkpoint counts. */
const longestWaitMs = 12 * 3_600_000;

/** How long one call of a copy may take: nothing begins after `stopAt`, and at `pauseAt` ends what is under way. */
export class Deadline {
  /** Milliseconds since the epoch. */
  readonly stopAt: number;
  readonly pauseAt: number;
  readonly #clock: Clock;

  constructor(stopAt: number, pauseAt: number, clock: Clock = wallClock) {
    this.stopAt = stopAt;
    this.pauseAt = pauseAt;
    this.#clock = clock;
  }

  /** For a call that is ended from outside in `remainingMs`: the last minute of it, or quarter, is for coming to an end. */
  static in(remainingMs: number, clock: Clock = wallClock): Deadline {
    const margin = Math.min(60_000, remainingMs / 4);
    const end = clock.now() + remainingMs;
    return new Deadline(end - margin, end - margin / 3, clock);
  }

  now(): number {
    return this.#clock.now();
  }

  /** Whether something new may begin. */
  get admits(): boolean {
    return this.now() < this.stopAt;
  }

  /** Milliseconds until `pauseAt`. */
  get left(): number {
    return this.pauseAt - this.now();
  }

  /**
   * Does `work` with a signal that aborts, with `Paused` as its reason, when time is up, or when one of the registries
   * wants a longer pause than is left. Throws `Paused` then, and what `work` throws.
   */
  async during<T>(
    registries: readonly Registry[],
    outer: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const pause = new AbortController();
    const over = new AbortController();
    const watches = registries.map(({ limits, name }) =>
      limits.watchPauses((until) => {
        if (until > this.pauseAt) pause.abort(new Paused(until, name));
      }),
    );
    const alarm = this.#ring(pause, over.signal);
    try {
      return await work(outer ? AbortSignal.any([outer, pause.signal]) : pause.signal);
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

  async #ring(pause: AbortController, over: AbortSignal): Promise<void> {
    await this.#clock.sleep(this.left, over);
    if (!over.aborted) pause.abort(new Paused());
  }

  /** A refusal that names a time is no failure, as long as somebody may wait for it. */
  #pauseOf(error: unknown): Paused | undefined {
    if (!(error instanceof RegistryFailure) || error.retryAfterMs === undefined) return undefined;
    const { retryAfterMs } = error;
    const waitable = retryAfterMs > Math.min(longestPauseMs, this.left) && retryAfterMs <= longestWaitMs;
    return waitable ? new Paused(this.now() + retryAfterMs, error.registry) : undefined;
  }
}
