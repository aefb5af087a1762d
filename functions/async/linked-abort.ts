/** A controller that also aborts when another signal does. Disposing of it ends that link, so that either can be freed. */
export interface LinkedAbort extends Disposable {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}

/**
 * Creates a controller that also aborts when `outer` does, with the same reason. Use it in place of `AbortSignal.any` for
 * work that is done often: V8 frees such signals only in a full collection, and 40,000 of them took 126 MB.
 */
export function linkedAbort(outer: AbortSignal | undefined): LinkedAbort {
  const own = new AbortController();
  const follow = () => own.abort(outer?.reason);
  if (outer?.aborted) follow();
  else outer?.addEventListener('abort', follow, { once: true });
  return {
    signal: own.signal,
    abort: (reason) => own.abort(reason),
    [Symbol.dispose]: () => outer?.removeEventListener('abort', follow),
  };
}
