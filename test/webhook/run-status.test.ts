import { SFNClient } from '@aws-sdk/client-sfn';
import { describe, expect, it } from '@jest/globals';
import { Executions } from '../../functions/aws/executions.ts';
import type { Report } from '../../functions/state/documents.ts';
import { runStatus } from '../../functions/webhook/run-status.ts';
import { startScriptedAws } from '../aws/scripted-aws.ts';

const report: Report = {
  status: 'SUCCEEDED',
  action: 'sync',
  runId: 'run',
  images: [],
  config: [
    { module: 'ci', infrastructureType: 'K8', field: 'addonTag', from: null, to: 'a/b:1', status: 'updated' },
    { module: 'ci', infrastructureType: 'K8', field: 'gitCloneTag', from: 'c', to: 'c', status: 'unchanged' },
    { module: 'ci', infrastructureType: 'K8', field: 'cacheS3Tag', from: 'd', to: 'd', status: 'unchanged' },
    { module: 'ci', infrastructureType: 'K8', field: 'goneTag', from: 'e', to: null, status: 'reset' },
  ],
  totals: {
    images: 5,
    copied: 3,
    repaired: 0,
    skipped: 2,
    failed: 0,
    bytesTransferred: 9,
    bytesSkipped: 1,
    durationMs: 7,
  },
};
const reason = 'run r1 (sync) has held the lock';

/** Returns the status of an execution that Step Functions describes so, and whose report another one wrote. */
async function told(description: object, byAnother?: Report) {
  const aws = await startScriptedAws(() => ({ status: 200, body: { startDate: 1_000, ...description } }));
  const client = new SFNClient(aws.config);
  try {
    const executions = new Executions('arn:aws:states:eu-west-1:123456789012:stateMachine:factory', client);
    const execution = await executions.find('run-1');
    expect(aws.calls).toEqual([
      {
        operation: 'DescribeExecution',
        input: { executionArn: 'arn:aws:states:eu-west-1:123456789012:execution:factory:run-1' },
      },
    ]);
    return execution && runStatus({ runId: 'run-1', url: 'https://x/runs/run-1', execution, report: byAnother });
  } finally {
    client.destroy();
    await aws.close();
  }
}

describe('the status of a run', () => {
  const run = { runId: 'run-1', url: 'https://x/runs/run-1', startedAt: '1970-01-01T00:16:40.000Z' };
  const over = { ...run, endedAt: '1970-01-01T00:33:20.000Z' };

  it.each(['RUNNING', 'PENDING_REDRIVE'])('returns RUNNING while the execution is %s', async (status) => {
    expect(await told({ status })).toEqual({ ...run, status: 'RUNNING' });
  });

  it('returns the totals of the report', async () => {
    expect(await told({ status: 'SUCCEEDED', stopDate: 2_000, output: JSON.stringify(report) })).toEqual({
      ...over,
      status: 'SUCCEEDED',
      action: 'sync',
      summary: '5 images: 3 copied, 2 already present, 0 failed; fields changed: 2',
      totals: report.totals,
    });
  });

  it('lists the images of a plan: those to copy, and those of fields to switch', async () => {
    const row = { source: null, digest: null, bytesTransferred: 0, bytesSkipped: 0 } as const;
    const image = (name: string, status: 'planned' | 'skipped') =>
      ({ ...row, image: name, target: `r.example/${name}`, status }) as const;
    const images = [image('a/new:1', 'planned'), image('a/stale:latest', 'planned'), image('a/here:1', 'skipped')];
    const field = { module: 'ci', infrastructureType: 'K8', from: null, status: 'planned' } as const;
    const config = [
      { ...field, field: 'newTag', to: 'r.example/a/new:1' },
      // The value of a relative override.
      { ...field, field: 'hereTag', to: 'a/here:1' },
      { ...field, field: 'goneTag', to: null },
    ];
    const totals = { ...report.totals, images: 3 };
    const output = JSON.stringify({ ...report, action: 'plan', images: [...images, images[0]], config, totals });
    expect(await told({ status: 'SUCCEEDED', stopDate: 2_000, output })).toMatchObject({
      images: 'a/new:1,a/stale:latest,a/here:1',
      toSwitch: 'a/new:1,a/here:1',
    });
    const idle = JSON.stringify({ ...report, action: 'plan', images: [], config: [] });
    expect(await told({ status: 'SUCCEEDED', stopDate: 2_000, output: idle })).toMatchObject({
      images: '',
      toSwitch: '',
    });
  });

  it('leads to the execution in the console, and to the page of a run that has ended', () => {
    const links = { execution: 'https://console.example/execution', page: 'https://console.example/page' };
    const status = (more: object) =>
      runStatus({
        runId: 'run-1',
        url: 'url',
        execution: { status: 'SUCCEEDED', startedAt: new Date(), output: JSON.stringify(report), ...more },
        links,
      }).console;
    expect(status({})).toEqual(links);
    expect(status({ status: 'RUNNING' })).toEqual({ execution: links.execution });
  });

  it('says why a run was skipped', async () => {
    const output = JSON.stringify({ ...report, status: 'SKIPPED', reason });
    expect(await told({ status: 'SUCCEEDED', stopDate: 2_000, output })).toMatchObject({
      status: 'SKIPPED',
      summary: reason,
    });
  });

  it('returns the error of a failed run', async () => {
    expect(await told({ status: 'FAILED', stopDate: 2_000, error: 'DriftFound', cause: '2 differences' })).toEqual({
      ...over,
      status: 'FAILED',
      error: { name: 'DriftFound', message: '2 differences' },
    });
  });

  it.each([undefined, '{}', '{"status":"SUCCEEDED"}'])('refuses %j, an output that is no report', async (output) => {
    await expect(told({ status: 'SUCCEEDED', stopDate: 2_000, output })).rejects.toThrow('Invalid input');
  });

  it('shows who started the run, where its input says so', async () => {
    expect(await told({ status: 'RUNNING', input: '{"started_by":"arn:one"}' })).toMatchObject({
      startedBy: 'arn:one',
    });
    for (const input of ['{}', 'null', '"started_by"', '{"started_by":7}'])
      expect(await told({ status: 'RUNNING', input })).not.toHaveProperty('startedBy');
  });

  describe('after a stop', () => {
    const stopped = { status: 'ABORTED', stopDate: 2_000, error: 'RunStopped', cause: 'arn:one stopped the run' };
    const error = {
      name: 'RunStopped',
      message: 'arn:one stopped the run; run r2 put Harness back',
      hint: 'Start it.',
    };
    const connector = (status: 'changed' | 'rolled-back') => ({
      reference: 'account.c',
      before: 'a',
      after: 'b',
      status,
    });
    const rows = (status: 'updated' | 'rolled-back' | 'unchanged') => report.config.map((row) => ({ ...row, status }));

    it.each<[string, Report]>([
      ['restored', { ...report, status: 'FAILED', error, config: rows('rolled-back') }],
      ['unchanged', { ...report, status: 'FAILED', error, config: rows('unchanged') }],
      ['unchanged', { ...report, status: 'FAILED', error, config: [] }],
      ['restored', { ...report, status: 'FAILED', error, config: [], connector: connector('rolled-back') }],
      ['switched', { ...report, status: 'FAILED', error, config: [], connector: connector('changed') }],
      ['not-restored', { ...report, status: 'FAILED', error: { ...error, name: 'RollbackFailed' } }],
    ])('says from the report that Harness is %s', async (harness, written) => {
      expect(await told(stopped, written)).toEqual({
        ...over,
        status: 'FAILED',
        action: 'sync',
        harness,
        error: { name: written.error?.name, message: `${error.message}. Start it.` },
      });
    });

    it('says that a verified switch is kept', async () => {
      expect(await told(stopped, report)).toMatchObject({ status: 'SUCCEEDED', harness: 'switched' });
    });

    it.each([
      [stopped],
      [{ status: 'TIMED_OUT', stopDate: 2_000 }],
      [{ status: 'FAILED', stopDate: 2_000, error: 'States.Runtime' }],
    ])('says that Harness is being put back until there is a report: %j', async (description) => {
      expect(await told(description)).toMatchObject({ status: 'FAILED', harness: 'restoring' });
    });

    it.each([
      [{ status: 'FAILED', stopDate: 2_000, error: 'DriftFound' }],
      [{ ...stopped, input: '{"recover_run":"run-0"}' }],
    ])('says nothing of Harness where no other execution puts it back: %j', async (description) => {
      expect(await told(description)).not.toHaveProperty('harness');
    });
  });

  it.each([
    [{ status: 'TIMED_OUT', error: 'States.Timeout' }, 'States.Timeout', 'the execution ended as TIMED_OUT'],
    [{ status: 'ABORTED' }, 'RunStopped', 'the execution ended as ABORTED'],
  ])('returns FAILED for %j', async (description, name, message) => {
    expect(await told(description)).toMatchObject({ status: 'FAILED', error: { name, message } });
  });
});
