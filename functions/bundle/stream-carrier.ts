import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { TarCarrier } from './carrier.ts';

/** Writes a bundle to a stream: for `ssh`, or tape. Nothing lies beside it, and nothing is resumed. */
export function streamCarrier(name: string, stream: Writable): TarCarrier {
  return {
    name,
    slices: (size) => [{ name, start: 0, end: size }],
    async create() {
      let position = 0;
      return {
        unit: 1,
        get position() {
          return position;
        },
        async write(bytes, signal) {
          signal?.throwIfAborted();
          position += bytes.length;
          // The stream keeps the bytes until they are sent.
          if (!stream.write(Buffer.from(bytes))) await once(stream, 'drain', { signal });
        },
        flush: async () => 0,
        complete: async () => {
          const ended = once(stream, 'finish');
          stream.end();
          await ended;
        },
        close: async () => undefined,
      };
    },
  };
}
