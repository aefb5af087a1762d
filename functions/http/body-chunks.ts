import type { Readable } from 'node:stream';
import { NetworkError, slowBody } from './network-error.ts';
import { release } from './release.ts';

/** The number of bytes buffered for a slow reader. The rest stays in the kernel's buffers. */
const highWater = 256 * 1024;
/** Chunks below this size are joined: TLS delivers 16 KiB at a time, and each chunk costs as much as a large one. */
const smallChunk = 32 * 1024;

/** The minimum speed of a body: after a wait of `windowMs` milliseconds it must have delivered this rate. */
export interface LeastSpeed {
  windowMs: number;
  leastBytesPerSecond: number;
}

/**
 * Yields the chunks of a body as they arrive, and joins those of one turn of the event loop. Faster than a stream's own
 * iterator, which passes each chunk through its buffer and several ticks. Destroys the body when iteration ends early.
 * Throws `NetworkError` for a body that is too slow. The time that the reader takes does not count.
 */
export async function* bodyChunks(
  body: Readable,
  { windowMs, leastBytesPerSecond }: LeastSpeed,
): AsyncGenerator<Uint8Array, void, undefined> {
  let ready: Uint8Array[] = [];
  let length = 0;
  let ended = false;
  let failure: { error: unknown } | undefined;
  let wake: (() => void) | undefined;
  let waitedMs = 0;
  let came = 0;
  body
    .on('data', (chunk: Uint8Array) => {
      ready.push(chunk);
      length += chunk.length;
      if (length >= highWater) body.pause();
      wake?.();
    })
    .on('end', () => {
      ended = true;
      wake?.();
    })
    .on('error', (error: unknown) => {
      failure = { error };
      wake?.();
    });
  try {
    for (;;) {
      if (length > 0) {
        const chunks = ready;
        came += length;
        ready = [];
        length = 0;
        // Not `yield*`, which wraps each chunk in more promises.
        for (const chunk of joined(chunks)) yield chunk;
        body.resume();
      } else if (failure) throw failure.error;
      else if (ended) return;
      else {
        const since = performance.now();
        await new Promise<void>((resolve) => {
          wake = () => {
            wake = undefined;
            // Other chunks that have arrived are emitted in this turn.
            setImmediate(resolve);
          };
        });
        waitedMs += performance.now() - since;
        if (waitedMs < windowMs || ended || failure) continue;
        if (came + length < (leastBytesPerSecond * windowMs) / 1000) throw tooSlow(came + length, waitedMs);
        waitedMs = came = 0;
      }
    }
  } finally {
    body.destroy();
  }
}

function joined(chunks: readonly Uint8Array[]): readonly Uint8Array[] {
  if (!chunks.some(({ length }) => length < smallChunk)) return chunks;
  const whole = Buffer.concat(chunks);
  for (const chunk of chunks) release(chunk);
  return [whole];
}

function tooSlow(bytes: number, ms: number): NetworkError {
  return new NetworkError('UND_ERR_BODY_TIMEOUT', {
    text: `the response stalled: ${bytes} bytes in ${Math.round(ms / 1000)} s`,
    ...slowBody,
  });
}
