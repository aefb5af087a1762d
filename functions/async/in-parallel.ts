import pLimit from 'p-limit';
import { linkedAbort } from './linked-abort.ts';

/**
 * Runs `work` for every item, at most `limit` at a time. The first failure aborts the others through their signal, and
 * is thrown after all of them have ended.
 */
export async function inParallel<T>(
  items: readonly T[],
  limit: number,
  outer: AbortSignal | undefined,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  using failed = linkedAbort(outer);
  const { signal } = failed;
  const limited = pLimit(limit);
  await Promise.all(
    items.map((item) =>
      limited(async () => {
        if (signal.aborted) return;
        // The aborted items fail as a consequence. Only the first error counts.
        await work(item, signal).catch((error: unknown) => failed.abort(error));
      }),
    ),
  );
  outer?.throwIfAborted();
  signal.throwIfAborted();
}
