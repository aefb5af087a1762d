import type { LimitFunction } from 'p-limit';
import { waitFor } from './wait-for.ts';

/** Runs `work` when `limit` has a slot. The signal ends the wait with its reason, and not the work. */
export async function inTurn<T>(
  limit: LimitFunction,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const turn = Promise.withResolvers<void>();
  const over = Promise.withResolvers<void>();
  void limit(() => {
    turn.resolve();
    return over.promise;
  });
  try {
    await waitFor(turn.promise, signal);
    return await work();
  } finally {
    over.resolve();
  }
}
