import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const root = join(import.meta.dirname, '..');

/** Returns the sources below a folder, with their paths from the root. */
function sources(folder: string): { file: string; text: string }[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => ({ file: join(folder, file), text: readFileSync(join(root, folder, file), 'utf8') }));
}

describe('docstrings', () => {
  const comments = ['functions', 'infra', 'test'].flatMap((folder) =>
    sources(folder).flatMap(({ file, text }) =>
      [...text.matchAll(/\/\*\*[\s*]*([A-Za-z'’]+)/g)].map(([, word = '']) => ({ file, word })),
    ),
  );

  it('begin with a verb or a noun phrase', () => {
    const odd = comments.filter(({ word }) => /^(?:What|Of|Whose|Who|How|Whether|Where|From)$/.test(word));
    expect(comments.length).toBeGreaterThan(1_000);
    expect(odd.map(({ file, word }) => `${file}: a comment begins with ${word}`)).toEqual([]);
  });
});

describe('names of tests', () => {
  const names = sources('test').flatMap(({ file, text }) =>
    // A table has its name in a second call: `it.each(…)('name', …)`.
    [...text.matchAll(/(?:^\s*(?:it|test)(?:\.\w+)*|\b(?:it|test)\.each\b[\s\S]*?[)`])\(\s*(['"`])(.*?)\1,/gm)].map(
      ([, , name = '']) => ({ file, name }),
    ),
  );

  it('stand alone', () => {
    const fragment =
      /^(?:is|are|was|were|that|of|which|who|whose|with|without|from|in|at|by|on|for|to|and|or|but|nor|as)\b/i;
    expect(names.length).toBeGreaterThan(1_000);
    expect(names.filter(({ name }) => fragment.test(name)).map(({ file, name }) => `${file}: ${name}`)).toEqual([]);
  });
});
