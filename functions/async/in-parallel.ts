import pLimit from 'p-limit';

/**
 * Does the work for every item, at most `limit` at once. The first failure ends the others by their signal, and is
 * thrown when all have ended: nothing goes on behind the caller's back.
 */
export async function inParallel<T>(
  items: readonly T[],
  limit: number,
  outer: AbortSignal | undefined,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const signal = outer ? AbortSignal.any([outer, failed.signal]) : failed.signal;
  const limited = pLimit(limit);
  await Promise.all(
    items.map((item) =>
      limited(async () => {
        if (signal.aborted) return;
        // The errors of those that are ended are consequences; only the first counts.
        await work(item, signal).catch((error: unknown) => failed.abort(error));
      }),
    ),
  );
  outer?.throwIfAborted();
  failed.signal.throwIfAborted();
}
