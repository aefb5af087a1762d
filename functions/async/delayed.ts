/** Returns a signal that aborts `ms` milliseconds after another, with its reason. */
export function delayed(signal: AbortSignal, ms: number): AbortSignal {
  const late = new AbortController();
  const abort = () => void setTimeout(() => late.abort(signal.reason), ms).unref();
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  return late.signal;
}
