import type { Readable } from 'node:stream';
import { bytesRead } from './body-memory.ts';

/** What is kept ready for a slow reader; more is left in the kernel's buffers. */
const highWater = 256 * 1024;
/** Pieces below this are joined: TLS brings 16 KiB at a time, and each piece costs as much as a large one. */
const smallPiece = 32 * 1024;

/**
 * The pieces of a body as they come, those of one turn of the event loop together. Leaner than a stream's own iterator,
 * which goes through its buffer and several ticks for each piece. Destroys the body when it is left early.
 */
export async function* bodyChunks(body: Readable): AsyncGenerator<Uint8Array, void, undefined> {
  let ready: Uint8Array[] = [];
  let length = 0;
  let ended = false;
  let failure: { error: unknown } | undefined;
  let wake: (() => void) | undefined;
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
        bytesRead(length);
        ready = [];
        length = 0;
        yield* joined(pieces);
        body.resume();
      } else if (failure) throw failure.error;
      else if (ended) return;
      else {
        await new Promise<void>((resolve) => {
          // What else has arrived already comes in this turn.
          wake = () => setImmediate(resolve);
        });
        wake = undefined;
      }
    }
  } finally {
    body.destroy();
  }
}

function joined(pieces: readonly Uint8Array[]): readonly Uint8Array[] {
  return pieces.some(({ length }) => length < smallPiece) ? [Buffer.concat(pieces)] : pieces;
}
