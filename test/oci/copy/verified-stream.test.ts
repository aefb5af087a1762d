import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Digest, digestOf } from '../../../functions/oci/spec/digest.ts';
import { verifiedStream } from '../../../functions/oci/copy/verified-stream.ts';

const sha512 = `sha512:${'0'.repeat(128)}` as Digest;

async function* stream(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

interface Outcome {
  passed: Buffer;
  counted: number;
  error: { name: string; message: string } | undefined;
}

async function run(chunks: readonly Uint8Array[], digest: Digest, size: number): Promise<Outcome> {
  const outcome: Outcome = { passed: Buffer.alloc(0), counted: 0, error: undefined };
  const descriptor = { mediaType: 'layer', digest, size };
  try {
    for await (const chunk of verifiedStream(stream(chunks), descriptor, {
      onBytes: (bytes) => (outcome.counted += bytes),
    })) {
      outcome.passed = Buffer.concat([outcome.passed, chunk]);
    }
  } catch (error) {
    outcome.error = error as Error;
  }
  return outcome;
}

const chunks = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 8 });

describe('the verified stream', () => {
  it('passes everything that is as announced, in whatever pieces', async () => {
    await fc.assert(
      fc.asyncProperty(chunks, fc.constantFrom(undefined, sha512), async (pieces, like) => {
        const content = Buffer.concat(pieces);
        const outcome = await run(pieces, digestOf(content, like), content.length);
        expect(outcome).toEqual({ passed: content, counted: content.length, error: undefined });
      }),
    );
  });

  it('never completes a blob whose digest is wrong, however it is cut into chunks', async () => {
    await fc.assert(
      fc.asyncProperty(chunks, async (pieces) => {
        const content = Buffer.concat(pieces);
        fc.pre(content.length > 0);
        const outcome = await run(pieces, digestOf(Buffer.from('another')), content.length);
        expect(outcome.error).toMatchObject({ name: 'DigestMismatch' });
        expect(outcome.passed.length).toBeLessThan(content.length);
      }),
    );
  });

  it('withholds the last bytes also when empty chunks follow them', async () => {
    const empty = Buffer.alloc(0);
    const { passed, error } = await run([Buffer.from('ab'), Buffer.from('c'), empty, empty], digestOf(empty), 3);
    expect(error?.name).toBe('DigestMismatch');
    expect(passed.toString()).toBe('ab');
  });

  it.each([
    ['short', 5, '4 of 5 bytes'],
    ['long', 3, 'more than the 3 bytes announced'],
  ])('refuses a blob that is too %s, and never lets as much out as was announced', async (_, size, message) => {
    const pieces = [Buffer.from('ab'), Buffer.from('c'), Buffer.from('d')];
    const { passed, error } = await run(pieces, digestOf(Buffer.from('abcd')), size);
    expect(error).toMatchObject({ name: 'DigestMismatch', message: expect.stringContaining(message) });
    expect(passed.length).toBeLessThan(size);
  });

  it('passes the empty blob, and refuses another in its place', async () => {
    const empty = digestOf(Buffer.alloc(0));
    expect(await run([], empty, 0)).toEqual({ passed: Buffer.alloc(0), counted: 0, error: undefined });
    expect((await run([], digestOf(Buffer.from('x')), 0)).error?.name).toBe('DigestMismatch');
    expect((await run([Buffer.from('x')], empty, 0)).error?.name).toBe('DigestMismatch');
  });

  it('throws what the source throws', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a');
      throw new Error('cut');
    }
    const descriptor = { mediaType: 'layer', digest: digestOf(Buffer.from('ab')), size: 2 };
    await expect(drain(verifiedStream(broken(), descriptor))).rejects.toThrow('cut');
  });
});

async function drain(source: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of source) expect(chunk.length).toBeGreaterThan(0);
}
