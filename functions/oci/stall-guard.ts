/**
 * Passes chunks on, and calls `onStall` when the receiver asks for no further one within `stallMs` milliseconds. HTTP
 * clients limit the time to an answer; one that is still sending waits for ever for a peer that has stopped reading.
 */
export async function* whileTaken(
  body: AsyncIterable<Uint8Array>,
  stallMs: number,
  onStall: () => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of body) {
    const timer = setTimeout(onStall, stallMs);
    try {
      yield chunk;
    } finally {
      clearTimeout(timer);
    }
  }
}
