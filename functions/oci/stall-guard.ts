/**
 * Passes chunks on, and calls `onStall` when the receiver asks for no further one within `stallMs` milliseconds, or at
 * most a quarter more. HTTP clients limit the time to an answer; one that is still sending waits for ever for a peer
 * that has stopped reading.
 */
export async function* whileTaken(
  body: AsyncIterable<Uint8Array>,
  stallMs: number,
  onStall: () => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  /** When the chunk was offered that is not taken yet; 0 while the sender is the one to wait for. */
  let offeredAt = 0;
  // One timer for all: setting one for each chunk costs more than sending it.
  const timer = setInterval(() => {
    if (offeredAt > 0 && performance.now() - offeredAt >= stallMs) onStall();
  }, stallMs / 4);
  try {
    for await (const chunk of body) {
      offeredAt = performance.now();
      yield chunk;
      offeredAt = 0;
    }
  } finally {
    clearInterval(timer);
  }
}
