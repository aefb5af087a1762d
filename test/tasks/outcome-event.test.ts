import { describe, expect, it } from '@jest/globals';
import { outcomeDetailOf } from '../../functions/report/outcome-event.ts';
import type { Report } from '../../functions/state/documents.ts';
import { outcomeDetail } from '../../functions/state/outcome-event.ts';
import { type ConsoleLinks, consoleLinks } from '../../functions/text/console.ts';

const planned = { startedAt: '2026-11-29T02:00:04.000Z', modifyDefault: true };
const row = { module: 'ci' as const, infrastructureType: 'K8' as const, field: 'addonTag', from: 'a', to: 'b' };
const image = {
  image: 'harness/ci-addon:1',
  source: null,
  target: 't',
  digest: null,
  bytesTransferred: 0,
  bytesSkipped: 0,
};
const error = { name: 'VerificationFailed', message: 'it differs', hint: 'Run sync again.' };
const connector = { reference: 'account.harnessImage', before: 'a', after: 'a', status: 'rolled-back' as const };
const report: Report = {
  status: 'SUCCEEDED',
  action: 'sync',
  runId: 'run-1',
  images: [{ ...image, status: 'copied' }],
  config: [
    { ...row, status: 'updated' },
    { ...row, status: 'rejected' },
    { ...row, status: 'unchanged' },
  ],
  totals: { images: 1, copied: 1, skipped: 0, failed: 0, bytesTransferred: 5, bytesSkipped: 0, durationMs: 6 },
};
const arn = 'arn:aws:states:eu-central-1:123456789012:execution:factory-1:run-1';
const place = {
  factory: 'factory-1',
  location: 's3://bucket/runs/run-1/report.json',
  links: consoleLinks(arn, 's3://bucket/runs/run-1/report.html'),
};
const detailOf = (change: Partial<Report> = {}, plan: typeof planned | undefined = planned) =>
  outcomeDetailOf({ ...report, ...change }, plan, place);

describe('the event at the end of a run', () => {
  it('sums up the report', () => {
    expect(detailOf({ warnings: ['a tag moved'] })).toEqual({
      version: 1,
      factory: 'factory-1',
      runId: 'run-1',
      startedAt: planned.startedAt,
      action: 'sync',
      outcome: 'succeeded',
      images: { total: 1, copied: 1, repaired: 0, skipped: 0, failed: 0, failures: [] },
      fields: { changed: 1, rejected: 1, rolledBack: 0 },
      bytesTransferred: 5,
      durationMs: 6,
      warnings: ['a tag moved'],
      report: 's3://bucket/runs/run-1/report.json',
      console: {
        execution: `https://console.aws.amazon.com/states/home?region=eu-central-1#/v2/executions/details/${arn}`,
        page: 'https://console.aws.amazon.com/s3/object/bucket?region=eu-central-1&prefix=runs%2Frun-1%2Freport.html',
      },
    });
  });

  it('leaves out addresses of the console where its host is unknown, and those that are too long', () => {
    const consoleOf = (links: ConsoleLinks | undefined) =>
      outcomeDetailOf(report, planned, { ...place, links }).console;
    const [short, long] = ['https://console.example/', `https://console.example/${'a'.repeat(4_000)}`];
    expect(consoleOf(undefined)).toBeUndefined();
    expect(consoleOf({ execution: short })).toEqual({ execution: short });
    expect(consoleOf({ execution: short, page: long })).toEqual({ execution: short });
    expect(consoleOf({ execution: long, page: short })).toBeUndefined();
  });

  it.each<[string, Partial<Report>]>([
    ['succeeded', {}],
    ['succeeded', { action: 'verify' }],
    ['skipped', { status: 'SKIPPED', reason: 'run-0 holds the lock' }],
    ['failed', { status: 'FAILED', error }],
    ['rolled-back', { status: 'FAILED', error, config: [{ ...row, status: 'rolled-back' }] }],
    ['rolled-back', { status: 'FAILED', error, config: [], connector }],
    [
      'left-switched',
      { status: 'FAILED', error: { ...error, name: 'RollbackFailed' }, config: [{ ...row, status: 'rolled-back' }] },
    ],
  ])('has the outcome %s', (outcome, change) => {
    expect(detailOf(change)).toMatchObject({ outcome, ...(change.error && { error: change.error }) });
  });

  it('tells a sync that was not to switch Harness from one that was', () => {
    const copies = { ...planned, modifyDefault: false };
    expect(detailOf({ config: [] }, copies).outcome).toBe('copied-only');
    expect(detailOf({ config: [], action: 'reset' }, copies).outcome).toBe('succeeded');
    expect(detailOf({ status: 'FAILED', error }, copies).outcome).toBe('failed');
  });

  it('tells a schedule that leaves the first switch to a person from one that has switched', () => {
    const reason = 'The schedule started this run.';
    const awaiting = { reason, command: 'start' };
    const left = { ...row, status: 'planned' as const };
    expect(detailOf({ awaiting, config: [left] })).toMatchObject({ outcome: 'copied-only', reason });
    expect(detailOf({ awaiting, config: [left, { ...row, status: 'updated' }] })).toMatchObject({
      outcome: 'succeeded',
      reason,
    });
  });

  it('does without a start when the input was refused', () => {
    expect(outcomeDetailOf({ ...report, status: 'FAILED', error }, undefined, place)).not.toHaveProperty('startedAt');
  });

  it('has safe texts, without the expressions of Harness', () => {
    const hostile = 'a\u001b[31m\u202e\nb <+secrets.getValue("x")>';
    const { error: shown, warnings } = detailOf({
      status: 'FAILED',
      error: { ...error, message: hostile },
      warnings: [hostile],
    });
    for (const found of [shown?.message ?? '', warnings[0] ?? '']) {
      expect(found).not.toMatch(/[\u0000-\u001f\u202e]|<\+/);
      expect(found).toContain('b < +secrets');
    }
  });

  it('stays below the limit of EventBridge, and keeps to its schema, whatever the report has', () => {
    const long = '\u{1F4A5}<+"\\'.repeat(10_000);
    const many = Array.from({ length: 2_000 }, () => long);
    const largest = detailOf({
      status: 'FAILED',
      runId: long,
      reason: long,
      error: { name: long, message: long, hint: long },
      connector: { reference: long, before: long, after: long, status: 'changed' },
      images: many.map((text) => ({ ...image, image: text, status: 'failed', error: { ...error, name: text } })),
      warnings: many,
    });
    expect(outcomeDetail.strict().safeParse(largest).error).toBeUndefined();
    expect([largest.images.failures.length, largest.warnings.length]).toEqual([20, 20]);
    // The size of an entry counts its source and type, too.
    expect(Buffer.byteLength(JSON.stringify(largest))).toBeLessThan(256_000);
  });
});
