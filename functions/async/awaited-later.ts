/** Returns work that is awaited later. Its failure before that does not end the process as an unhandled rejection. */
export function awaitedLater<T>(work: Promise<T>): Promise<T> {
  work.catch(() => undefined);
  return work;
}
