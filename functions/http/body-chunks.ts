import type { Readable } from 'node:stream';
import { NetworkError } from './network-error.ts';

/** What is kept ready for a slow reader; more is left in the kernel's buffers. */
const highWater = 256 * 1024;
/** Pieces below this are joined: TLS brings 16 KiB at a time, and each piece costs as much as a large one. */
const smallPiece = 32 * 1024;

/** How slow a body may be: whoever has waited `windowMs` for it, in milliseconds, must have got so much. */
export interface LeastSpeed {
  windowMs: number;
  leastBytesPerSecond: number;
}

/**
 * The pieces of a body as they come, those of one turn of the event loop together. Leaner than a stream's own iterator,
 * which goes through its buffer and several ticks for each piece. Destroys the body when it is left early. Throws `NetworkError` for a body
 * that is too slow; the time that its reader takes does not count.
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
        const pieces = ready;
        came += length;
        ready = [];
        length = 0;
        yield* joined(pieces);
        body.resume();
      } else if (failure) throw failure.error;
      else if (ended) return;
      else {
        const since = performance.now();
        await new Promise<void>((resolve) => {
          // What else has arrived already comes in this turn.
          wake = () => setImmediate(resolve);
        });
        wake = undefined;
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

function joined(pieces: readonly Uint8Array[]): readonly Uint8Array[] {
  return pieces.some(({ length }) => length < smallPiece) ? [Buffer.concat(pieces)] : pieces;
}

function tooSlow(bytes: number, ms: number): NetworkError {
  return new NetworkError('UND_ERR_BODY_TIMEOUT', {
    text: `the answer stalled: ${bytes} bytes in ${Math.round(ms / 1000)} s`,
    hint: 'Try again; the server or the network is slow.',
    transient: true,
  });
}
