import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { securityPage, securityPath } from '../docs/reference/security.ts';

const read = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');

it('the page on security matches the output of `npm run docs:reference`', async () => {
  const page = read(securityPath);
  expect(page).toBe(await securityPage(page));
  expect(page).toContain('CKV_AWS_258');
});

it('the README links the page on security', () => {
  expect(read('README.md')).toContain(`](${securityPath})`);
});
