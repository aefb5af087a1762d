import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { bodyChunks } from '../../functions/http/body-chunks.ts';
import { release } from '../../functions/http/release.ts';
import { inChunks } from '../../functions/oci/registry/blob-upload.ts';

/** A chunk that is the whole of its buffer, as Node.js reads it from a connection. */
function received(length: number, value: number): Uint8Array {
  return new Uint8Array(length).fill(value);
}

const patient = { windowMs: 10_000, leastBytesPerSecond: 1 };

describe('a chunk of a body', () => {
  it('a small chunk is joined with its neighbours and its memory is freed', async () => {
    const chunks = [received(16_384, 1), received(16_384, 2), received(100, 3)];
    const expected = Buffer.concat(chunks);
    const arrived = await Array.fromAsync(bodyChunks(Readable.from(chunks), patient), (chunk) => Buffer.from(chunk));
    expect(Buffer.concat(arrived)).toEqual(expected);
    expect(chunks.map(({ length }) => length)).toEqual([0, 0, 0]);
  });

  it('a chunk that shares its buffer is left as it is', () => {
    const buffer = new ArrayBuffer(10);
    const [first, second] = [new Uint8Array(buffer, 0, 5), new Uint8Array(buffer, 5)];
    release(first);
    release(second);
    expect([first.length, second.length]).toEqual([5, 5]);
  });

  it('a large chunk is passed on without a copy', async () => {
    const large = received(64 * 1024, 1);
    const [arrived] = await Array.fromAsync(bodyChunks(Readable.from([large]), patient));
    expect(arrived?.buffer).toBe(large.buffer);
    expect(large.length).toBe(64 * 1024);
  });
});

describe('a body in chunks of one size', () => {
  it.each([1, 3, 4, 7, 100])(
    'pieces of %i bytes become chunks of 4 bytes, and only the last is shorter',
    async (size) => {
      const content = Buffer.from('0123456789abcdefghijk');
      const pieces = Array.from({ length: Math.ceil(content.length / size) }, (_, i) =>
        Uint8Array.from(content.subarray(i * size, (i + 1) * size)),
      );
      const chunks = await Array.fromAsync(inChunks(Readable.from(pieces), [Buffer.alloc(4)]), (chunk) =>
        chunk.toString(),
      );
      expect(chunks).toEqual(['0123', '4567', '89ab', 'cdef', 'ghij', 'k']);
      expect(pieces.every(({ length }) => length === 0)).toBe(true);
    },
  );

  it('a chunk stays valid while the next is read ahead', async () => {
    const pieces: string[] = [];
    const onPiece = (piece: Uint8Array) => void pieces.push(Buffer.from(piece).toString());
    const body = Readable.from(['012', '345', '67'].map((text) => Buffer.from(text)));
    const chunks = inChunks(body, [Buffer.alloc(4), Buffer.alloc(4)], onPiece);
    const [first, second] = [await chunks.next(), await chunks.next()];
    expect([first, second].map(({ value }) => String(value))).toEqual(['0123', '4567']);
    expect(pieces).toEqual(['012', '3', '45', '67']);
  });

  it('an empty body has no chunk', async () => {
    expect(await Array.fromAsync(inChunks(Readable.from([]), [Buffer.alloc(4)]))).toEqual([]);
  });
});
