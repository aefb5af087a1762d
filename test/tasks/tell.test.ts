import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { tell } from '../../functions/report/tell.ts';
import type { Delivery, Notification, Report, Told } from '../../functions/state/documents.ts';
import type { OutcomeDetail } from '../../functions/state/outcome-event.ts';
import { runId, setStage, type Stage } from './stage.ts';
import { noTotals } from './no-totals.ts';

const startedAt = '2026-01-01T00:00:00.000Z';
const report: Report = {
  status: 'SUCCEEDED',
  action: 'sync',
  runId,
  images: [],
  config: [],
  totals: noTotals,
};

let stage: Stage;
let callbacks: number;
let notified: Notification[];
let recorded: Report[];
let failed: (readonly Delivery[])[];
/** The number of notifications that fail. */
let unreachable: number;
beforeEach(() => {
  callbacks = 0;
  notified = [];
  recorded = [];
  failed = [];
  unreachable = 0;
  stage = setStage({
    // An address that is not Harness's: each attempt is a warning. It is read once more after the refusal.
    callbackTarget: async (refused) => {
      if (refused === undefined) callbacks++;
      return 'https://elsewhere.example/hook';
    },
    notify: async (notification) => {
      if (unreachable-- > 0) throw new Error('no topic');
      notified.push(notification);
    },
    record: (numbers, deliveries) => {
      recorded.push(numbers);
      failed.push(deliveries);
    },
  });
});
afterEach(() => stage.runtime.close());

const told = () => stage.documents.told.find();
const again = (more: Partial<Report> = {}, start = startedAt) =>
  tell({ ...report, ...more }, { planned: { startedAt: start, modifyDefault: true } }, stage.runtime);
const notCalled = 'callback to Harness failed: the secret that CALLBACK_URL_SECRET names holds no URL';
const counts = () => [callbacks, notified.length, recorded.length];

describe('the end of a run', () => {
  it('notifies everyone once, no matter how often the report is written', async () => {
    const warnings = [expect.stringContaining(notCalled)];
    expect(await again()).toEqual(warnings);
    expect(await told()).toEqual({ startedAt, callback: 'done', notified: true, recorded: true, warnings });
    expect(await again()).toEqual(warnings);
    expect(counts()).toEqual([1, 1, 1]);
  });

  it('notifies again when another run has the same name', async () => {
    await again();
    await again({}, '2026-06-01T00:00:00.000Z');
    expect(counts()).toEqual([2, 2, 2]);
    expect(await told()).toMatchObject({ startedAt: '2026-06-01T00:00:00.000Z' });
  });

  it('notifies of a run without a start', async () => {
    for (let n = 0; n < 2; n++) await tell(report, { planned: undefined }, stage.runtime);
    expect(counts()).toEqual([1, 1, 1]);
  });

  it('notifies those who are configured, without a warning', async () => {
    stage = setStage({ record: (numbers) => void recorded.push(numbers) });
    expect(await again()).toEqual([]);
    expect(await told()).toEqual({ startedAt, recorded: true, warnings: [] });
    expect(recorded).toEqual([report]);
  });

  it('records the callback before and after it, and sends it at most once', async () => {
    const notes: (Told['callback'] | undefined)[] = [];
    const put = stage.store.put.bind(stage.store);
    stage.store.put = async (key, body) => {
      if (key.endsWith('/told.json')) notes.push((JSON.parse(Buffer.from(body).toString()) as Told).callback);
      await put(key, body);
    };
    await again();
    expect(notes.slice(0, 2)).toEqual(['begun', 'done']);
    const known: Told = { startedAt, callback: 'begun', notified: true, recorded: true, warnings: [] };
    await stage.documents.told.put(known);
    const warnings = ['callback to Harness may have failed: the report task ended during it'];
    for (let n = 0; n < 2; n++) expect(await again()).toEqual(warnings);
    expect(await told()).toEqual({ ...known, callback: 'done', warnings });
    expect(counts()).toEqual([1, 1, 1]);
  });

  it('notifies people again who were not reached, and then drops the warning', async () => {
    unreachable = 1;
    expect(await again()).toEqual([expect.stringContaining(notCalled), expect.stringContaining('no topic')]);
    expect(await told()).not.toHaveProperty('notified');
    expect(await again()).toEqual([expect.stringContaining(notCalled)]);
    await again();
    expect(counts()).toEqual([1, 1, 1]);
  });

  it('puts the event on the bus once, and again when that failed', async () => {
    const events: OutcomeDetail[] = [];
    let refusals = 1;
    stage = setStage({
      events: {
        factory: 'factory-1',
        put: async (detail) => {
          if (refusals-- > 0) throw new Error('no bus');
          events.push(detail);
        },
      },
      record: (_, deliveries) => void failed.push(deliveries),
    });
    expect(await again()).toEqual(['event failed: Error: no bus']);
    expect(failed).toEqual([['event']]);
    for (let n = 0; n < 2; n++) expect(await again()).toEqual([]);
    expect(events).toMatchObject([{ factory: 'factory-1', runId, startedAt, outcome: 'succeeded' }]);
    expect(await told()).toMatchObject({ emitted: true });
  });

  it('records the deliveries that failed', async () => {
    unreachable = 1;
    await again();
    await again({ runId: 'another' });
    await stage.documents.told.put({ startedAt, callback: 'begun', notified: true, warnings: [] });
    await again();
    expect(failed).toEqual([['callback', 'notification'], ['callback'], ['callback']]);
    stage = setStage({ record: (_, deliveries) => void failed.push(deliveries) });
    await again();
    expect(failed.at(-1)).toEqual([]);
  });

  it('records the metrics of a run with all its warnings', async () => {
    await again({ warnings: ['a connector leads elsewhere'] });
    expect(recorded[0]?.warnings).toEqual(['a connector leads elsewhere', expect.stringContaining(notCalled)]);
  });

  it("records the metrics with the run's own warnings where everyone was reached", async () => {
    stage = setStage({ record: (numbers) => void recorded.push(numbers) });
    const own = { ...report, warnings: ['a connector leads elsewhere'] };
    await tell(own, { planned: { startedAt, modifyDefault: true } }, stage.runtime);
    expect(recorded).toEqual([own]);
  });

  it('notifies where the state can be neither read nor written', async () => {
    stage.store.get = async () => Promise.reject(new Error('disk'));
    stage.store.put = async () => Promise.reject(new Error('disk'));
    await again();
    expect(counts()).toEqual([1, 1, 1]);
  });
});
