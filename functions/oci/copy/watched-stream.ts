export interface Watcher {
  /** How long a chunk may wait until the receiver asks for the next one, in milliseconds; without end by default. */
  stallMs?: number | undefined;
  /** Called when one has waited so long, or a quarter longer. */
  onStall: () => void;
  /** Told why the source failed: the receiver may have another view of it. */
  onError: (error: unknown) => void;
}

/**
 * Passes chunks on, and watches both ends. HTTP clients limit the time to an answer; one that is still sending waits for
 * ever for a peer that has stopped reading.
 */
export async function* watched(
  body: AsyncIterable<Uint8Array>,
  { stallMs, onStall, onError }: Watcher,
): AsyncGenerator<Uint8Array, void, undefined> {
  /** When the chunk was offered that is not taken yet; 0 while the sender is the one to wait for. */
  let offeredAt = 0;
  // One timer for all: setting one for each chunk costs more than sending it.
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
