import { type Clock, wallClock } from './clock.ts';

/** A token bucket: limits the rate, and allows a burst of one second after a pause. */
export class Pace {
  readonly #intervalMs: number;
  readonly #burstMs: number;
  readonly #clock: Clock;
  /** Time at which the bucket is full again, in milliseconds since the epoch. */
  #fullAt = 0;

  constructor(perSecond: number, clock: Clock = wallClock) {
    this.#intervalMs = 1_000 / perSecond;
    this.#burstMs = this.#intervalMs * (Math.max(1, Math.floor(perSecond)) - 1);
    this.#clock = clock;
  }

  /** Waits for a turn. Throws the signal's reason. */
  async turn(signal?: AbortSignal): Promise<void> {
    const now = this.#clock.now();
    const before = Math.max(now, this.#fullAt);
    this.#fullAt = before + this.#intervalMs;
    const waitMs = before - this.#burstMs - now;
    if (waitMs > 0) await this.#clock.sleep(waitMs, signal);
    signal?.throwIfAborted();
  }
}
