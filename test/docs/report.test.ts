import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { report } from '../../functions/state/documents.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/report.md'), 'utf8');

it('docs/report.md lists each key of report.json once, and no other', () => {
  const [, table = ''] = page.split('## report.json');
  const keys = [...table.matchAll(/^\| `(\w+)` +\|/gm)].map(([, key = '']) => key);
  expect(new Set(keys)).toEqual(new Set(['version', ...Object.keys(report.shape)]));
  expect(keys).toHaveLength(new Set(keys).size);
  for (const status of report.shape.harness.unwrap().options) expect(table).toContain(`\`${status}\``);
});
