import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LambdaLog } from '../../functions/lambda/log.ts';
import { FactoryError } from '../../functions/errors.ts';
import type { Report } from '../../functions/state/documents.ts';
import { type Line, logLines } from './log-lines.ts';

const context = { functionName: 'stack-copy', awsRequestId: 'request-1', getRemainingTimeInMillis: () => 1 };

let log: LambdaLog;
beforeEach(() => {
  process.env['TASK'] = 'copy';
  log = new LambdaLog();
});
afterEach(() => {
  delete process.env['TASK'];
});

/** The lines of one call, without that of its start. */
const during = async (work: () => void): Promise<Line[]> =>
  (
    await logLines(() => {
      log.started({ runId: 'run-1', image: 3 }, context);
      work();
    })
  ).slice(1);

describe('the log of a function', () => {
  it('names task, run and function in every line', async () => {
    const lines = await logLines(() => {
      log.started({ runId: 'run-1' }, context);
      log.progress({ kind: 'note', message: 'something' });
      log.finished({ status: 'copied' });
    });
    const common = { task: 'copy', runId: 'run-1', function_name: 'stack-copy', function_request_id: 'request-1' };
    expect(lines).toEqual([
      expect.objectContaining({ ...common, level: 'INFO', message: 'started' }),
      expect.objectContaining({ ...common, level: 'INFO', message: 'something' }),
      expect.objectContaining({ ...common, level: 'INFO', message: 'finished' }),
    ]);
  });

  it('ends a call with its outcome, and of a copy the image and the bytes of this call', async () => {
    const call = () => {
      log.progress({ kind: 'image-started', image: 'harness/ci-addon:1', bytes: 500 });
      log.progress({ kind: 'image-progress', image: 'harness/ci-addon:1', bytes: 300 });
      log.progress({ kind: 'image-progress', image: 'harness/ci-addon:1', bytes: -100 });
      log.finished({ status: 'continue', waitSeconds: 0 });
    };
    const expected = { outcome: 'continue', image: 'harness/ci-addon:1', bytes: 200, durationMs: expect.any(Number) };
    // No line for every piece of a blob.
    expect(await during(call)).toEqual([expect.objectContaining(expected)]);
    // A sandbox is used again: nothing is left of the call before.
    const [next] = await during(() => log.finished({ route: 'copy' }));
    expect(next).toMatchObject({ outcome: 'copy' });
    expect(next).not.toHaveProperty('image');
  });

  it('tells of images that are done, and of waiting', async () => {
    const lines = await during(() => {
      log.progress({ kind: 'image-finished', image: 'a:1', status: 'copied' });
      log.progress({ kind: 'image-finished', image: 'b:1', status: 'failed', message: 'not found' });
      log.progress({ kind: 'wait', subject: 'docker.io', reason: 'HTTP 429', seconds: 60 });
    });
    expect(lines).toMatchObject([
      { level: 'INFO', message: 'image copied', image: 'a:1', status: 'copied' },
      { level: 'WARN', message: 'image failed', image: 'b:1', reason: 'not found' },
      { level: 'INFO', message: 'waiting for docker.io', reason: 'HTTP 429', seconds: 60 },
    ]);
  });

  it('shows an error with its cure, and nothing that is secret', async () => {
    const cause = new Error('https://s3.example/blob?X-Amz-Signature=5f2e');
    const error = new FactoryError('RegistryFailed', 'refused with Bearer abcdefghijklmnopqrstuvwx', {
      hint: 'Log in.',
      cause,
    });
    const [line] = await during(() => log.failed(error));
    expect(line).toMatchObject({
      level: 'ERROR',
      message: 'failed',
      outcome: 'failed',
      error: { name: 'RegistryFailed', message: 'refused with Bearer …', hint: 'Log in.' },
      durationMs: expect.any(Number),
    });
    expect(JSON.stringify(line)).not.toContain('5f2e');
  });

  it('shows of an error of ours where it came from', async () => {
    const bug = new TypeError('x is not a function: https://s3.example/blob?X-Amz-Signature=5f2e');
    const [line] = await during(() => log.failed(FactoryError.from(bug)));
    expect(line?.['error']).toMatchObject({
      name: 'UnexpectedError',
      stack: expect.arrayContaining([expect.stringMatching(/^at .*call-log\.test/)]),
    });
    expect(JSON.stringify(line)).not.toContain('5f2e');
  });

  it('shows what is worth a look in a report', async () => {
    const report = {
      registries: [{ host: 'docker.io', requests: { GET: 2 }, retries: 1, throttles: 1, pauses: 0, mounts: 0 }],
      warnings: ['a tag moved'],
      error: { name: 'ImagesFailed', message: 'two failed', hint: 'Look.' },
    } as unknown as Report;
    expect(await during(() => log.reported(report))).toMatchObject([
      { level: 'INFO', registry: 'docker.io', throttles: 1, retries: 1 },
      { level: 'WARN', message: 'a tag moved' },
      { level: 'ERROR', error: report.error },
    ]);
  });
});
