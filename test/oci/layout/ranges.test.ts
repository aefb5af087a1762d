import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { openFile } from '../../../functions/oci/layout/file-reader.ts';
import { unreadable } from '../../../functions/oci/layout/layout-files.ts';
import { joinRanges, partAt, type RangeReader, readRange } from '../../../functions/oci/layout/ranges.ts';

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'ranges-'))));
afterEach(() => rm(folder, { recursive: true }));

async function fileOf(name: string, content: string | Uint8Array): Promise<RangeReader> {
  const path = join(folder, name);
  await writeFile(path, content);
  return openFile(path);
}

describe('a joined range', () => {
  it('reads any range of a file that was cut into parts', async () => {
    const content = Buffer.from('abcdefghij');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(10), { maxLength: 4 }), fc.nat(10), fc.nat(10), async (cuts, one, other) => {
        const edges = [0, ...cuts.toSorted((a, b) => a - b), content.length];
        const parts = await Promise.all(
          edges.slice(1).map((end, i) => fileOf(`part.${i}`, content.subarray(edges[i], end))),
        );
        const joined = joinRanges('all', parts);
        const [start, end] = [Math.min(one, other), Math.max(one, other)];
        expect(joined.size).toBe(content.length);
        expect((await readRange(joined, start, end)).toString()).toBe(content.subarray(start, end).toString());
        await joined.close();
      }),
      { numRuns: 50 },
    );
  });

  it('names the part of each byte', async () => {
    const parts = [await fileOf('a', 'abc'), await fileOf('b', 'de')];
    const joined = joinRanges('all', parts);
    expect([0, 2, 3, 4, 9].map((offset) => partAt(joined, offset))).toEqual(
      ['a', 'a', 'b', 'b', 'b'].map((name) => join(folder, name)),
    );
    await joined.close();
  });
});

describe('a file', () => {
  it('yields what is left of a file that was cut after it was opened', async () => {
    const reader = await fileOf('cut', 'abcdef');
    await truncate(reader.name, 2);
    expect((await readRange(reader, 0, 6)).toString()).toBe('ab');
    await reader.close();
  });

  // The memory of a process has a page at 0 that nothing can read.
  const onLinux = process.platform === 'linux' ? it : it.skip;
  onLinux('names the byte that its disk does not give', async () => {
    const reader = await openFile('/proc/self/mem');
    const reading = async () => {
      for await (const piece of reader.read(0, 8)) throw new Error(`${piece.length} bytes were read`);
    };
    await expect(reading()).rejects.toMatchObject({
      name: 'BundleInvalid',
      message: '/proc/self/mem, byte 0: it cannot be read (EIO)',
      hint: expect.stringContaining('use another copy'),
    });
    await reader.close();
  });

  it('names what this user may not read', () => {
    const { message, hint } = unreadable('harness.tar', Object.assign(new Error('no'), { code: 'EACCES' }));
    expect([message, hint]).toEqual(['harness.tar: this user may not read it (EACCES)', 'Let this user read it.']);
  });

  it('refuses what is not a regular file', async () => {
    await expect(openFile(folder)).rejects.toThrow(`${folder}: it is not a regular file`);
  });
});
