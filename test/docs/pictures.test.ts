import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const root = join(import.meta.dirname, '../..');
const folder = 'docs/pictures';
const largest = 200_000;
const files = readdirSync(join(root, folder)).map((name) => `${folder}/${name}`);
const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

interface Picture {
  page: string;
  /** Paths from the root. */
  light: string;
  dark: string | undefined;
  alt: string;
}

/** The pictures of a page: `<picture>` with a source for dark schemes, or one file for both. */
function picturesOf(page: string): Picture[] {
  const text = readFileSync(join(root, page), 'utf8');
  const pathOf = (address: string) => posix.join(posix.dirname(page), address);
  const drawn = [...text.matchAll(/<picture>([\s\S]*?)<\/picture>|<img [^>]*>/g)].map(([whole]) => {
    const [, dark] = /<source media="\(prefers-color-scheme: dark\)" srcset="([^"]+)">/.exec(whole) ?? [];
    const [, light = ''] = /<img[^>]* src="([^"]+)"/.exec(whole) ?? [];
    const [, alt = ''] = /<img[^>]* alt="([^"]+)"/.exec(whole) ?? [];
    return { page, light: pathOf(light), dark: dark === undefined ? undefined : pathOf(dark), alt };
  });
  const plain = [...text.matchAll(/!\[([^\]]*)\]\(([^)\s]+)\)/g)].map(([, alt = '', address = '']) => {
    return { page, light: pathOf(address), dark: undefined, alt };
  });
  return [...drawn, ...plain];
}

const pictures = pages.flatMap(picturesOf);

describe.each(pictures)('the picture $light in $page', ({ light, dark, alt }) => {
  it('exists, with a text that tells what it shows', () => {
    expect(files).toContain(light);
    expect(alt.split(/\s+/).length).toBeGreaterThanOrEqual(8);
  });

  it('has a partner for dark schemes, or both schemes in one file', () => {
    if (light.endsWith('.svg'))
      expect(readFileSync(join(root, light), 'utf8')).toContain('(prefers-color-scheme:dark)');
    else {
      expect([light, dark]).toEqual([expect.stringMatching(/-light\.png$/), light.replace('-light.', '-dark.')]);
      expect(files).toContain(dark);
    }
  });
});

describe('the folder of pictures', () => {
  it('holds no file that no page shows', () => {
    const shown = new Set(pictures.flatMap(({ light, dark }) => [light, dark]));
    expect(files.filter((file) => !shown.has(file))).toEqual([]);
  });

  it.each(files)('%s has less than 200 kB', (file) => {
    expect(statSync(join(root, file)).size).toBeLessThan(largest);
  });
});

it('the first screen of the README shows a run', () => {
  const [first] = readFileSync(join(root, 'README.md'), 'utf8').split('\n## ');
  expect(first).toContain('<picture>');
  expect(first).toContain(`${folder}/run-light.png`);
});
