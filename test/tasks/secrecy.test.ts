import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FactoryError } from '../../functions/errors.ts';
import { notificationOf } from '../../functions/report/notification.ts';
import type { Report } from '../../functions/state/documents.ts';
import { TaskError } from '../../functions/workflow-error.ts';
import { runStatus } from '../../functions/webhook/run-status.ts';
import { type Factory, startFactory } from './factory.ts';

const signature = '5f2ec0ffee';
const signed = (place: string) => `503 from https://bucket.example/${place}?X-Amz-Signature=${signature}`;
const shown = (place: string) => `503 from https://bucket.example/${place}…`;

describe('an error with a signed address', () => {
  it.each([
    ['an error of ours', new FactoryError('StoreFailed', signed('message'), { hint: signed('hint') })],
    ['any other', new TypeError(signed('message'))],
  ])('removes the signature from the history of Step Functions: %s', (_, thrown) => {
    const failure = new TaskError(FactoryError.from(thrown));
    expect(failure).toMatchObject({ message: expect.stringContaining(shown('message')) });
    expect(String(failure)).not.toContain(signature);
  });

  describe('secrets in a run', () => {
    let factory: Factory;
    let report: Report;
    beforeAll(async () => {
      factory = await startFactory({
        callbackTarget: async () => `${factory.harness.url}/gateway/pipeline/api/webhook/custom/token/v3`,
        repositories: {
          ensure: async (_, repository) => {
            if (repository.endsWith('ci-addon')) throw new Error(signed('image'));
            return undefined;
          },
        },
      });
      factory.store.onPut = (key) => {
        if (key.endsWith('/snapshot.json')) throw new Error(signed('task'));
      };
      report = await factory.sync({ on_partial_failure: 'update-succeeded' }, { runId: 'run-1' });
    });
    afterAll(() => factory.close());

    it('removes the signature from the report and its images', () => {
      expect(report).toMatchObject({ status: 'FAILED', error: { message: expect.stringContaining(shown('task')) } });
      const failed = report.images.filter(({ status }) => status === 'failed');
      expect(failed).toMatchObject([{ error: { message: expect.stringContaining(shown('image')) } }]);
    });

    it('removes the signature from everything that the run stores or sends to people and Harness', async () => {
      const stored = await factory.stored('runs/run-1/');
      const told = factory.harness.requests.filter(({ path }) => path.includes('/webhook/custom/'));
      expect(told).toMatchObject([{ body: { error: { message: expect.stringContaining(shown('task')) } } }]);
      const said = stored + JSON.stringify([told, notificationOf(report, 'report.json')]);
      expect(said).toContain(shown('image'));
      expect(said).not.toContain(signature);
    });

    it('removes the signature from the response of the webhook', () => {
      const { name: error = '', message: cause } = report.error ?? {};
      const status = runStatus({
        runId: 'run-1',
        url: 'url',
        execution: { status: 'FAILED', startedAt: new Date(), error, cause },
      });
      expect(status.error?.message).toContain(shown('task'));
      expect(JSON.stringify(status)).not.toContain(signature);
    });
  });
});
