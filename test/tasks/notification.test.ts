import { describe, expect, it } from '@jest/globals';
import { anonymous } from '../../functions/oci/registry/auth/credentials.ts';
import { notificationOf } from '../../functions/report/notification.ts';
import { report as reportTask } from '../../functions/report/report.ts';
import type { ConfigResult, ImageResult, Notification, Report } from '../../functions/state/documents.ts';
import { Runtime, type RuntimeParts } from '../../functions/runtime/runtime.ts';
import { parseConfiguration } from '../../functions/settings/configuration.ts';
import { MemoryStore } from '../state/memory-store.ts';

const image = (name: string, status: ImageResult['status'], why?: string): ImageResult => ({
  image: name,
  source: name,
  target: `reg.example/m/${name}`,
  digest: null,
  status,
  bytesTransferred: 0,
  bytesSkipped: 0,
  ...(why !== undefined && { error: { name: 'ImageNotFound', message: why, hint: '' } }),
});
const field = (name: string, status: ConfigResult['status']): ConfigResult => ({
  module: 'ci',
  infrastructureType: 'K8',
  field: name,
  from: null,
  to: `reg.example/m/${name}`,
  status,
});
const report: Report = {
  status: 'SUCCEEDED',
  action: 'sync',
  runId: 'run-1',
  images: [image('a:1', 'copied'), image('b:1', 'skipped')],
  config: [field('addonTag', 'updated'), field('liteEngineTag', 'unchanged')],
  totals: {
    images: 2,
    copied: 1,
    repaired: 0,
    skipped: 1,
    failed: 0,
    bytesTransferred: 3_000_000,
    bytesSkipped: 9,
    durationMs: 5,
  },
};
const textOf = (change: Partial<Report>) => notificationOf({ ...report, ...change }, 's3://state/report.json').text;

describe('the notification of a run', () => {
  it('lists what was copied and switched, and the location of the report', () => {
    expect(notificationOf(report, 's3://state/runs/run-1/report.json')).toEqual({
      subject: 'Harness CI images: sync SUCCEEDED',
      text: `sync SUCCEEDED

2 images: 1 copied (3 MB), 1 already present

Copied:
  a:1

Harness:
  updated ci K8 addonTag: Harness's own -> reg.example/m/addonTag

Run: run-1
Report: s3://state/runs/run-1/report.json`,
      attributes: { status: 'SUCCEEDED', action: 'sync' },
    });
  });

  it('names whoever started the run, where the input does', () => {
    expect(textOf({ startedBy: 'arn:one\nWhat to do: nothing' })).toContain(
      '\nRun: run-1\nStarted by: arn:one What to do: nothing\nReport: ',
    );
  });

  it('keeps to the lines of its own: text from outside starts none, and drives no terminal', () => {
    const hostile = 'evil.example/x\n\nWhat to do: open https://evil.example\u001b[2J\u202e';
    const text = textOf({
      status: 'FAILED',
      reason: hostile,
      config: [{ ...field('addonTag', 'updated'), from: hostile, field: hostile, reason: hostile }],
      images: [image(hostile, 'failed', hostile)],
      warnings: [hostile],
      error: { name: 'ImagesFailed', message: hostile, hint: 'Look.' },
    });
    expect(text.match(/^What to do: .*$/gm)).toEqual(['What to do: Look.']);
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  it('reports the failure, the hint, and the state of Harness', () => {
    const { subject, text, attributes } = notificationOf(
      {
        ...report,
        status: 'FAILED',
        images: [image('a:1', 'failed', 'no source has it')],
        totals: { ...report.totals, images: 1, copied: 0, repaired: 0, skipped: 0, failed: 1 },
        config: [field('addonTag', 'rolled-back')],
        warnings: ['a tag moved'],
        error: { name: 'ImagesFailed', message: '1 of 1 failed', hint: 'Look at each.' },
      },
      's3://state/report.json',
    );
    expect(subject).toBe('Harness CI images: sync FAILED (ImagesFailed)');
    expect(attributes).toEqual({ status: 'FAILED', action: 'sync' });
    expect(text).toContain('ImagesFailed: 1 of 1 failed\nWhat to do: Look at each.');
    expect(text).toContain('Failed:\n  a:1: no source has it');
    expect(text).toContain('rolled-back ci K8 addonTag');
    expect(text).toContain('Warnings:\n  a tag moved');
  });

  it('reports the reason of a skipped run', () => {
    const nothing = { status: 'SKIPPED', reason: 'another run is under way', images: [], config: [] } as const;
    expect(textOf({ ...nothing, images: [], config: [] })).toBe(
      'sync SKIPPED: another run is under way\n\nRun: run-1\nReport: s3://state/report.json',
    );
  });

  it('lists what a plan would do', () => {
    const images = [image('a:1', 'planned'), image('b:1', 'planned')];
    const totals = { ...report.totals, copied: 0, repaired: 0, skipped: 0 };
    expect(textOf({ action: 'plan', images, totals })).toContain('2 images: 2 to be copied (3 MB)');
    expect(textOf({ images, totals })).toContain('2 images: 2 not copied');
  });

  it('stays short, however much there is', () => {
    const images = Array.from({ length: 500 }, (_, i) => image(`harness/image-${i}:1`, 'failed', 'x'.repeat(50_000)));
    const text = textOf({ images, error: { name: 'ImagesFailed', message: 'y'.repeat(50_000), hint: '' } });
    expect(text).toContain('  and 490 more');
    // SNS takes 256 KiB.
    expect(text.length).toBeLessThan(15_000);
  });
});

it('notifies of the checks that are not well, with their cures', () => {
  const checks: Report['checks'] = [
    { name: 'Node.js', status: 'ok', message: '24.21.0' },
    { name: 'key', status: 'failed', message: 'it lacks core_account_edit', cure: 'Give it a role.' },
  ];
  expect(textOf({ action: 'doctor', images: [], config: [], checks })).toContain(
    '\nChecks:\n  failed key: it lacks core_account_edit. Cure: Give it a role.\n',
  );
});

describe('the report task', () => {
  const reported = async (parts: Partial<RuntimeParts>) => {
    const store = new MemoryStore();
    const runtime = new Runtime({
      configuration: parseConfiguration({ HARNESS_API_KEY: 'pat.a.b.c' }),
      store,
      harnessApiKey: async () => '',
      credentials: anonymous,
      repositories: { ensure: async () => undefined, deleteImages: async () => false },
      ...parts,
    });
    try {
      const returned = await reportTask({ runId: 'run-1', state: {} }, { runtime, signal: undefined });
      return { returned, stored: await runtime.run('run-1').report.get() };
    } finally {
      await runtime.close();
    }
  };

  it('notifies, and records, once for each run', async () => {
    const notified: Notification[] = [];
    const recorded: Report[] = [];
    const { returned } = await reported({
      notify: async (notification) => void notified.push(notification),
      record: (document) => void recorded.push(document),
    });
    expect(notified).toEqual([notificationOf(returned, 'memory:runs/run-1/report.json')]);
    expect(recorded).toEqual([returned]);
  });

  it('takes it for a warning that nobody could be notified', async () => {
    const recorded: Report[] = [];
    const { returned, stored } = await reported({
      notify: () => Promise.reject(new TypeError('the topic is gone')),
      record: (document) => void recorded.push(document),
    });
    expect(returned.warnings).toEqual(['notification failed: TypeError: the topic is gone']);
    expect(stored).toEqual(returned);
    expect(recorded).toEqual([returned]);
  });
});
