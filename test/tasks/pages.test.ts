import { rm } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { report as reportTask } from '../../functions/report/report.ts';
import type { Notification } from '../../functions/state/documents.ts';
import type { HistoryEntry } from '../../functions/state/history.ts';
import type { PutOptions } from '../../functions/state/object-store.ts';
import { type Factory, startFactory } from './factory.ts';
import { useTemporaryFolders } from '../temporary-folder.ts';

const temporaryFolder = useTemporaryFolders();

const execution = 'arn:aws:states:eu-central-1:123456789012:execution:factory:run-1';

let factory: Factory;
let notified: Notification[];
beforeEach(async () => {
  notified = [];
  const folder = temporaryFolder('pages');
  factory = await startFactory({ folder, notify: async (notification) => void notified.push(notification) });
});
afterEach(() => factory.close());

const textAt = async (key: string) => Buffer.from((await factory.store.get(key)) ?? []).toString();

describe('the pages of a run', () => {
  it('go beside the report and to the root, with the type that browsers show', async () => {
    const types = new Map<string, PutOptions | undefined>();
    const put = factory.store.put.bind(factory.store);
    factory.store.put = async (key: string, body: Uint8Array, options?: PutOptions) => {
      types.set(key, options);
      await put(key, body);
    };
    const { runId } = await factory.run('plan');
    const html = { contentType: 'text/html; charset=utf-8' };
    expect(types.get(`runs/${runId}/report.html`)).toEqual(html);
    expect(types.get('history.html')).toEqual(html);
    expect(types.get(`runs/${runId}/report.json`)).toBeUndefined();
    expect(await textAt(`runs/${runId}/report.html`)).toContain('this is a plan');
  });

  it('have the warnings of deliveries that failed after they were written', async () => {
    await factory.close();
    factory = await startFactory({ notify: async () => Promise.reject(new Error('no such topic')) });
    const { runId } = await factory.run('plan');
    expect(await textAt(`runs/${runId}/report.html`)).toContain('notification failed');
  });

  it.each(['report.html', 'history.html', 'history.json'])(
    'cost a warning, and no run, when %s fails',
    async (name) => {
      factory.store.onPut = (key) => {
        if (key.endsWith(name)) throw new Error('no space left');
      };
      const report = await factory.sync();
      expect(report.status).toBe('SUCCEEDED');
      expect(report.warnings).toContainEqual(expect.stringContaining('no space left'));
      expect(factory.overrides()['addonTag']).toBe(factory.copyOf('harness/ci-addon:1.18.22'));
    },
  );
});

describe('links to the console', () => {
  it('stand in the notification and in the cause of a failure, for a run on AWS', async () => {
    const locate = factory.store.locate.bind(factory.store);
    await factory.run('plan', {}, { runId: 'run-1' });
    factory.store.locate = (key) => `s3://state-bucket/${key}`;
    notified.length = 0;
    await factory.store.put('runs/run-1/told.json', Buffer.from('{"version": 1, "warnings": []}'));
    const state = { error: { Error: 'DriftFound', Cause: '{"errorMessage": "2 differences"}' } };
    const { cause } = await factory.task(reportTask, { runId: 'run-1', execution, state });
    factory.store.locate = locate;
    const page =
      'https://console.aws.amazon.com/s3/object/state-bucket?region=eu-central-1&prefix=runs%2Frun-1%2Freport.html';
    expect(cause).toContain(`\nPage: ${page}\nReport: s3://state-bucket/runs/run-1/report.json`);
    expect(notified[0]?.text).toContain(`Page: ${page}`);
    expect(notified[0]?.text).toContain(
      `Execution: https://console.aws.amazon.com/states/home?region=eu-central-1#/v2/executions/details/${execution}`,
    );
    const html = await textAt('runs/run-1/report.html');
    expect(html).toContain(`details/${execution}"`);
    expect(html).not.toContain('href="report.json"');
  });

  it('miss from a local run', async () => {
    await factory.run('plan');
    expect(notified[0]?.text).not.toMatch(/console\.aws|Page:/);
  });
});

describe('the list of runs in the store', () => {
  const listed = async () => (await factory.document<{ runs: HistoryEntry[] }>('history.json')).runs;

  it('grows by each run, the newest first', async () => {
    const first = await factory.run('plan');
    const second = await factory.sync();
    expect((await listed()).map(({ runId }) => runId)).toEqual([second.runId, first.runId]);
    expect((await listed())[0]).toMatchObject({ restorable: true, harness: 'switched', images: 5, failed: 0 });
  });

  it('has every earlier run where there was no list', async () => {
    const first = await factory.run('plan');
    await rm(factory.store.locate('history.json'));
    const second = await factory.run('plan');
    expect((await listed()).map(({ runId }) => runId)).toEqual([second.runId, first.runId]);
  });

  it('has a run once, however often it is reported', async () => {
    await factory.run('plan', {}, { runId: 'run-1' });
    await factory.task(reportTask, { runId: 'run-1', state: {} });
    expect(await listed()).toHaveLength(1);
  });
});
