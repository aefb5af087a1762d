import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { historyPage } from '../../functions/pages/history-page.ts';
import { reportPage } from '../../functions/pages/report-page.ts';
import { everyRun } from './documents.ts';
import { type RealRuns, realRuns, type Scenario, scenarios } from './scenarios.ts';
import { problemsOf, textOf } from './markup.ts';

let runs: RealRuns;
beforeAll(async () => {
  runs = await realRuns();
}, 120_000);

/** The sentences that a reader needs first, and what must be on the page. */
const expected: Record<Scenario, (string | RegExp)[]> = {
  plan: [
    '✓ SUCCEEDED',
    'Nothing was changed: this is a plan. A sync would switch 6 fields.',
    'would copy',
    'to move, at most',
    'for Windows nodes only',
  ],
  sync: [
    '✓ SUCCEEDED',
    /Harness was switched to the copies: \d fields switched, and verified\./,
    '✓ updated',
    'factory restore --run',
  ],
  current: ['✓ SUCCEEDED', 'nothing was changed', 'already there'],
  'failed copies': [
    '✕ FAILED',
    'Harness is as it was before the run',
    '413',
    'What to do:',
    '✕ failed harness/ci-addon:1.18.22',
    'To',
  ],
  'rolled back': ['✕ FAILED', /Harness is as it was before the run: \d fields were rolled back\./, '~ rolled back'],
  'rollback failed': [
    '✕ FAILED',
    'Harness may be partly switched',
    'RollbackFailed',
    'Before that, the run failed: HarnessUnreachable',
  ],
  skipped: ['~ SKIPPED', 'run other (sync) has held the lock'],
  verify: ['✓ SUCCEEDED', 'Harness uses the copies, and they are complete.'],
  drift: ['✕ FAILED', 'DriftFound', '/harness/ci-addon:1.0.0', 'points at another registry', '✕ differs', 'Should be'],
  reset: ['✓ SUCCEEDED', /Harness uses its own images again: \d fields reset\./, "Harness's own"],
  restore: ['✓ SUCCEEDED', 'Harness is as it was before the restored run'],
  'refused input': ['✕ FAILED', 'InvalidInput', 'the input of the run', 'everything'],
};

describe.each(scenarios)('the page of a run: %s', (name) => {
  it('says first what a reader asks first', () => {
    const text = textOf(runs.pages[name]);
    for (const part of expected[name]) {
      if (typeof part === 'string') expect(text).toContain(part);
      else expect(text).toMatch(part);
    }
  });

  it('has valid markup, unique ids, no inline style and no handler', async () => {
    expect(await problemsOf(runs.pages[name])).toEqual([]);
  });
});

describe('every page', () => {
  const pages = () => [...Object.values(runs.pages), runs.historyPage];

  it('allows its own style and script by their hashes, first of all, and nothing else', () => {
    for (const page of pages()) {
      const [, policy = ''] =
        /<meta charset="utf-8"\/><meta http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(page) ?? [];
      for (const kind of ['style', 'script']) {
        const blocks = [...page.matchAll(new RegExp(`<${kind}[^>]*>([\\s\\S]*?)</${kind}>`, 'g'))];
        expect(blocks).toHaveLength(1);
        const hash = createHash('sha256')
          .update(blocks[0]?.[1] ?? '')
          .digest('base64');
        expect(policy).toContain(`${kind}-src 'sha256-${hash}'`);
      }
      expect(policy).toMatch(/^default-src 'none'; /);
      expect(policy).not.toMatch(/unsafe|https?:|\*/);
    }
  });

  it('loads nothing, and links to places within the page or the folder only', () => {
    for (const page of pages()) {
      const addresses = [...page.matchAll(/\b(?:href|src|action|srcset|data)="([^"]*)"/g)].map(
        ([, address = '']) => address,
      );
      expect(addresses.length).toBeGreaterThan(2);
      expect(
        addresses.filter((address) => !/^(?:#|data:image\/svg|report\.json$|\.\.\/|runs\/)/.test(address)),
      ).toEqual([]);
    }
  });
});

describe('the history page', () => {
  it('lists every run with its page, what it changed, and how to put it back', async () => {
    const page = runs.historyPage;
    expect(await problemsOf(page)).toEqual([]);
    const text = textOf(page);
    expect(text).toContain('The last sync that succeeded began');
    for (const { runId, restorable, changes } of runs.history) {
      expect(page).toContain(`href="runs/${runId}/report.html"`);
      if (restorable && changes.length > 0) expect(text).toContain(`factory restore --run ${runId}`);
    }
    expect(text).toContain(`Runs (${runs.history.length})`);
    expect(text).toContain('ci K8 addonTag');
  });

  it('shows the days of runs where there are several', () => {
    const now = new Date('2026-11-28T08:00:00.000Z');
    const titles = [1, 2].map((runs) =>
      textOf(historyPage(everyRun('harmless', runs), { now })).includes('Day by day'),
    );
    expect(titles).toEqual([false, true]);
  });
});

describe('the context of a page', () => {
  it('links to the execution on AWS, and to no files there', () => {
    const execution = 'https://console.aws.amazon.com/states/home?region=eu-central-1#/v2/executions/details/arn';
    const page = reportPage(runs.reports.sync, { execution });
    expect(page).toContain(`href="${execution}"`);
    expect(page).not.toContain('href="report.json"');
    expect(page).not.toContain('href="../');
  });

  it('has a strip of the last runs, this one marked', () => {
    expect(textOf(runs.pages['refused input'])).toMatch(/Last 12 runs .*\(this run\)/);
  });
});
