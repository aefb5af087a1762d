import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { errorNames } from '../../functions/errors.ts';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/troubleshooting.md'), 'utf8');
const [, errors = ''] = /\n## Errors\n([\s\S]*?)\n## /.exec(page) ?? [];
const sections = new Map(
  errors
    .split(/^### /m)
    .slice(1)
    .map((section) => {
      const [name = '', ...body] = section.split('\n');
      return [name, body.join('\n')];
    }),
);

describe('the page of errors', () => {
  it('lists every error name in order, and no other', () => {
    expect([...sections.keys()]).toEqual(errorNames.toSorted());
  });

  it.each(errorNames)('gives an example of %s, its cause and its cure', (name) => {
    const parts =
      /^\n> (?<message>.+\n(?:> .+\n)*)\n- \*\*Cure:\*\* (?<cure>.+\n(?: {2}.+\n)*)- \*\*Cause:\*\* (?<cause>.+\n(?: {2}.+\n)*)(?:\n(?<table>(?:\|.+\|\n){3,}))?\n?$/;
    expect(`${sections.get(name)?.trimEnd()}\n`).toMatch(parts);
  });

  it('links the page of errors from the README', () => {
    expect(readFileSync(join(root, 'README.md'), 'utf8')).toContain('](docs/troubleshooting.md)');
  });
});
