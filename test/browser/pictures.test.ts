import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makePictures } from '../pictures/make-pictures.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'factory-pictures-'));
  await makePictures(folder);
}, 180_000);
afterAll(() => rm(folder, { recursive: true }));

const kept = join(import.meta.dirname, '../../docs/pictures');

/** Width and height as the header of a PNG file has them. */
async function sizeOf(path: string): Promise<[width: number, height: number]> {
  const header = await readFile(path);
  return [header.readUInt32BE(16), header.readUInt32BE(20)];
}

describe('npm run pictures', () => {
  it('makes the pictures of the repository, no more and no fewer', async () => {
    expect((await readdir(folder)).toSorted()).toEqual((await readdir(kept)).toSorted());
  });

  it('makes each of less than 200 kB, and light and dark ones of one size', async () => {
    const names = (await readdir(folder)).filter((name) => name.endsWith('-light.png'));
    expect(names).toHaveLength(3);
    for (const name of names) {
      const pair = [name, name.replace('-light.', '-dark.')].map((each) => join(folder, each));
      const [light, dark] = await Promise.all(pair.map(sizeOf));
      expect(light).toEqual([1440, expect.any(Number)]);
      expect(light?.[1]).toBeGreaterThan(600);
      expect(dark).toEqual(light);
      for (const path of pair) expect((await stat(path)).size).toBeLessThan(200_000);
    }
  });

  it('draws what the commands print, without sequences of control characters', async () => {
    const text = await readFile(join(folder, 'terminal.svg'), 'utf8');
    for (const part of [
      '$ factory plan',
      '$ factory sync',
      '3 images to copy',
      'Continue? [y/N/d = details] y',
      'SUCCEEDED',
    ])
      expect(text).toContain(part);
    expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f]/);
  });
});
