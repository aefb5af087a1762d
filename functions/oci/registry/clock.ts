import { setTimeout as sleep } from 'node:timers/promises';

export interface Clock {
  /** Returns the time in milliseconds. */
  now(): number;
  /** Pauses for `ms` milliseconds. Returns early, without throwing, when the signal is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const wallClock: Clock = {
  now: Date.now,
  sleep: (ms, signal) => sleep(ms, undefined, signal && { signal }).catch(() => undefined),
};
