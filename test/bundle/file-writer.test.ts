import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FileWriter } from '../../functions/bundle/file-writer.ts';

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'writer-'))));
afterEach(() => rm(folder, { recursive: true }));

const size = 8_000_000;
const content = Buffer.alloc(size, 'every place has bytes of its own: '.repeat(31));
for (let at = 0; at + 8 <= size; at += 4_096) content.writeDoubleBE(at, at);

describe('a writer of files', () => {
  it.each([size, 1_400_001])(
    'keeps every byte while it is flushed beside its writes, in files of %i bytes',
    async (each) => {
      const files = Array.from({ length: Math.ceil(size / each) }, (_, index) => ({
        name: `part.${index}`,
        start: index * each,
        end: Math.min(size, (index + 1) * each),
      }));
      const writer = await FileWriter.open(folder, files, 0);
      const flushes: Promise<number>[] = [];
      for (let at = 0; at < size;) {
        const piece = Buffer.from(content.subarray(at, at + 1 + ((at * 7_919) % 131_072)));
        await writer.write(piece);
        // The writer must not keep what it was given.
        piece.fill(0);
        at += piece.length;
        if (at % 3 === 0) flushes.push(writer.flush());
      }
      const durable = await Promise.all(flushes);
      expect(durable.length).toBeGreaterThan(10);
      expect(Math.max(...durable)).toBeLessThanOrEqual(size);
      await writer.complete();
      const written = await Promise.all(files.map(({ name }) => readFile(join(folder, name))));
      expect(Buffer.concat(written).equals(content)).toBe(true);
    },
  );

  it('reports a folder that cannot be written, with the cure', async () => {
    const writer = await FileWriter.open(join(folder, 'none'), [{ name: 'x', start: 0, end: 10 }], 0);
    await writer.write(Buffer.alloc(10));
    await expect(writer.complete()).rejects.toMatchObject({ name: 'StoreFailed' });
    await writer.close();
  });
});
