export interface Watcher {
  /** Time that a chunk may wait for the receiver to read it, in milliseconds. Default: no limit. */
  stallMs?: number | undefined;
  /** Called when a chunk has waited for `stallMs`, or up to a quarter longer. */
  onStall: () => void;
  /** Called with the reason why the source failed: the receiver may report another one. */
  onError: (error: unknown) => void;
}

/** Passes chunks through and watches both ends: HTTP clients wait forever for a peer that stops reading. */
export async function* watched(
  body: AsyncIterable<Uint8Array>,
  { stallMs, onStall, onError }: Watcher,
): AsyncGenerator<Uint8Array, void, undefined> {
  /** Time when the waiting chunk was offered; 0 while the receiver waits for the source. */
  let offeredAt = 0;
  // One timer for all chunks: setting one for each costs more than sending it.
  const timer =
    stallMs &&
    setInterval(() => {
      if (offeredAt > 0 && performance.now() - offeredAt >= stallMs) onStall();
    }, stallMs / 4);
  try {
    for await (const chunk of body) {
      offeredAt = performance.now();
      yield chunk;
      offeredAt = 0;
    }
  } catch (error) {
    onError(error);
    throw error;
  } finally {
    if (timer) clearInterval(timer);
  }
}
