import { linkedAbort } from './linked-abort.ts';

/** Yields what `read` yields, and reads one value ahead. Aborts the signal of `read` when the iteration ends early. */
export async function* readAhead<T>(
  read: (signal: AbortSignal) => AsyncGenerator<T, void, undefined>,
  outer?: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  using over = linkedAbort(outer);
  const values = read(over.signal);
  let next = values.next();
  try {
    for (let result = await next; !result.done; result = await next) {
      next = values.next();
      // A failure is thrown in its turn.
      next.catch(() => undefined);
      yield result.value;
    }
  } finally {
    over.abort();
    await values.return();
  }
}
