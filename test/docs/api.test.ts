import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import * as construct from '../../infra/index.ts';
import { factoryMetrics } from '../../infra/operations/metrics.ts';
import { apiPage, apiPath } from './reference/api.ts';

const read = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');

let page: string;
beforeAll(async () => {
  page = await apiPage();
});

/** The section of a heading, up to the next one of the same or a higher level. */
function section(heading: string): string {
  const [level = ''] = heading.split(' ');
  const [, after = ''] = page.split(`\n${heading}\n`);
  return after.split(new RegExp(`^#{1,${level.length}} `, 'm'))[0] ?? '';
}

/** The names in the first column of tables, of a method without its parameters. */
const names = (text: string) => [...text.matchAll(/^\| `(\w+)[^|]*\|/gm)].map(([, name = '']) => name);

describe('the page of the construct', () => {
  it('matches the output of `npm run docs:reference`', () => {
    expect(read(apiPath)).toBe(page);
  });

  it('has the props that the page of the deployment groups by their purpose', () => {
    const [, groups = ''] = read('docs/deployment.md').split('\n## With the construct\n');
    const [table = ''] = groups.split('\nValues that are known only at deployment');
    const rows = table.split('\n').filter((line) => line.startsWith('| `'));
    const grouped = rows.flatMap((row) =>
      [...(row.split(' | ')[0] ?? '').matchAll(/`(\w+)`/g)].map(([, name = '']) => name),
    );
    expect(names(section('## Props')).toSorted()).toEqual(grouped.toSorted());
  });

  it('has every method of the class', () => {
    const methods = Object.getOwnPropertyNames(construct.HarnessCiImageFactory.prototype);
    expect(names(section('## Methods')).toSorted()).toEqual(
      methods.filter((name) => name !== 'constructor').toSorted(),
    );
  });

  it('has every value that the package exports, and every metric', () => {
    for (const name of Object.keys(construct)) expect(page).toContain(name);
    expect(names(section('### FactoryMetric'))).toEqual(Object.keys(factoryMetrics));
  });

  it('has nothing that is internal', () => {
    expect(page).not.toMatch(/#private|templateFromArn|WebhookProps|AlarmsProps|FunctionSettings/);
  });

  it('says of everything what it means, and of each prop its default', () => {
    const rows = page.split('\n').filter((line) => line.startsWith('| `'));
    expect(rows.length).toBeGreaterThan(90);
    for (const row of rows) expect(row).toMatch(/^\|(?: (?:\\\||[^|])*[^ |](?:\\\||[^|])* \|){2,4}$/);
    const required = rows.filter((row) => /\| required\s*\|/.test(row)).map((row) => names(row)[0]);
    expect(required).toEqual(['url']);
  });

  it('keeps values and their meaning apart in defaults', () => {
    const columns = page.replaceAll(/ +/g, ' ');
    expect(columns).toContain("| `schedule` | `string` | `'0 2 * * ? *'`: daily at 02:00 |");
    expect(columns).toContain('| `removalPolicy` | `RemovalPolicy` | `RemovalPolicy.RETAIN` |');
    expect(columns).toContain('| `modifyDefault` | `boolean \\| IResolvable` | `true` |');
    expect(columns).toContain('| `bucket` | `IBucket` | a new bucket that keeps runs for 90 days |');
  });
});
