import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Plan, Report } from '../../functions/state/documents.ts';
import { describeChanges } from '../../infra/local/changes.ts';
import { summarizePlan } from '../../infra/local/confirm.ts';
import { type HistoryEntry, readHistory } from '../../functions/state/history.ts';
import { historyTable } from '../../infra/local/history.ts';
import { summaryOf } from '../../infra/local/summary.ts';
import { widthOf } from '../../infra/local/table.ts';
import { type Factory, startFactory } from '../tasks/factory.ts';

let factory: Factory;
/** A name as long as those of ECR. */
const prefix = '123456789012.dkr.ecr.eu-west-1.example.com/platform/harness-mirror';
/** A run of each action. */
const reports: Report[] = [];
let plan: Plan;
let history: readonly HistoryEntry[];
beforeAll(async () => {
  factory = await startFactory({ harness: { profile: 'saas-2026' }, prefix });
  Object.assign(factory.harness.state[factory.harness.accountId]?.ci.K8 ?? {}, {
    addonTag: factory.copyOf('harness/ci-addon:1.16.0'),
    gitCloneTag: 'registry.example.com/some/where/harness/drone-git:1.7.20-rootless',
  });
  for (const action of ['plan', 'sync', 'plan', 'verify', 'reset']) reports.push(await factory.run(action));
  plan = await factory.document<Plan>(`runs/${reports[1]?.runId}/plan.json`);
  history = await readHistory(factory.store);
});
afterAll(() => factory.close());

/** The lines that are wider than a screen, but for single words, which are whole to be copied. */
const tooWide = (text: string, columns: number) =>
  text.split('\n').filter((line) => widthOf(line) > columns && line.trim().includes(' '));

describe.each([80, 90, 200])('a terminal of %p columns', (columns) => {
  it('shows the report of any action without a line that wraps', () => {
    expect(new Set(reports.map(({ status }) => status))).toEqual(new Set(['SUCCEEDED']));
    for (const report of reports) {
      const text = summaryOf(report, { screen: { columns, colours: true } });
      expect(tooWide(text, columns)).toEqual([]);
    }
  });

  it('shows the history, the question before a switch and its details without a line that wraps', () => {
    const texts = [
      historyTable(history, { columns }),
      summarizePlan(plan, { columns }),
      describeChanges(plan, { columns }),
    ];
    for (const text of texts) expect(tooWide(text, columns)).toEqual([]);
  });
});

it('prints every value whole in a pipe', () => {
  const [report] = reports;
  const text = report ? summaryOf(report) : '…';
  expect(text).not.toContain('…');
  const planned = report?.config.filter(({ status }) => status === 'planned') ?? [];
  expect(planned).not.toEqual([]);
  for (const { to } of planned) expect(text).toContain(to);
});

it('summarizes a switch in a few lines before it asks', () => {
  const text = summarizePlan(plan, {});
  expect(text).toMatch(
    /^This run will\n {2}copy {4}\d+ images \(at most \S+ kB to move, \S+ kB shared\)\n {2}switch {2}\d+ fields of ci K8 → \S+harness-mirror; ci-addon 1\.16\.0 → 1\.18\.22$/,
  );
});

it('says of each run in the history what it changed, and from which version to which', () => {
  const lines = historyTable(history).split('\n');
  expect(lines.find((line) => line.includes(' sync '))).toMatch(
    /\d+ fields of ci K8 → \S+; ci-addon 1\.16\.0 → 1\.18\.22$/,
  );
  expect(lines.find((line) => line.includes(' reset '))).toMatch(/\d+ fields of ci K8 → Harness's own$/);
});
