import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { inputKeys } from '../../functions/settings/input-schema.ts';
import { keyTopics, variableTopics } from './reference/meanings.ts';
import { referencePage, referencePath, variableNames } from './reference/page.ts';

const read = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');

describe('the reference of input keys and variables', () => {
  it('matches the output of `npm run docs:reference`', async () => {
    expect(read(referencePath)).toBe(await referencePage());
  });

  it('lists every input key once', () => {
    expect(Object.values(keyTopics).flat().toSorted()).toEqual(inputKeys().toSorted());
  });

  it('lists every variable once', () => {
    const listed = Object.values(variableTopics).flatMap((meanings) => Object.keys(meanings));
    expect(listed.toSorted()).toEqual(variableNames().toSorted());
  });

  it('gives every key and variable its values and a default', async () => {
    const rows = (await referencePage()).split('\n').filter((line) => line.startsWith('| `'));
    expect(rows.length).toBeGreaterThan(50);
    for (const row of rows) expect(row).toMatch(/^\|(?: [^ |][^|]* \|){4}$/);
  });

  it('gives defaults as the schemas have them', async () => {
    const page = (await referencePage()).replaceAll(/ +/g, ' ');
    expect(page).toContain('| `recheck_days` | a whole number from 0 to 90 | `7` |');
    expect(page).toContain('| `scan_deadline_minutes` | a whole number from 1 to 1440 | `30` |');
    expect(page).toContain('| `ECR_CREATE_REPOSITORIES` | on or off | `on` |');
    expect(page).toContain('| `MODIFY_DEFAULT` | true or false | `true` |');
  });

  it('links the reference from the README', () => {
    expect(read('README.md')).toContain(`](${referencePath})`);
  });
});
