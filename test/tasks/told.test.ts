import { afterEach, describe, expect, it } from '@jest/globals';
import { report } from '../../functions/report/report.ts';
import type { Notification } from '../../functions/state/documents.ts';
import { type Factory, type FactoryOptions, startFactory } from './factory.ts';

let factory: Factory;
let notified: Notification[];
let recorded: number;
let callbacks: number;
afterEach(() => factory.close());

async function start(options: FactoryOptions = {}): Promise<void> {
  notified = [];
  recorded = 0;
  callbacks = 0;
  factory = await startFactory({
    notify: async (notification) => void notified.push(notification),
    record: () => void recorded++,
    // An address that is not Harness's: each attempt is counted, and is a warning.
    // Read once more after the refusal, as a rotated secret would be.
    callbackTarget: async (refused?: string) => {
      if (refused === undefined) callbacks++;
      return 'https://elsewhere.example/hook';
    },
    ...options,
  });
}

const again = (runId: string) => factory.task(report, { runId, state: {} });

describe('a report that is tried again', () => {
  it('notifies people, machines and Harness once, and keeps its warnings', async () => {
    await start();
    const { runId, warnings } = await factory.sync();
    const second = await again(runId);
    expect([notified.length, recorded, callbacks]).toEqual([1, 1, 1]);
    expect(second.warnings).toEqual(warnings);
    expect(warnings?.join()).toContain('callback to Harness failed');
  });

  it('notifies people whom the first try did not reach', async () => {
    let tries = 0;
    await start({
      notify: async () => {
        if (++tries === 1) throw new Error('no topic');
      },
    });
    const { runId, warnings } = await factory.sync();
    expect(warnings?.join()).toContain('notification failed');
    expect((await again(runId)).warnings?.join()).not.toContain('notification failed');
    await again(runId);
    expect(tries).toBe(2);
  });

  it('sends no second callback when the first attempt ended during it, and warns', async () => {
    await start();
    const { runId } = await factory.sync();
    const key = `runs/${runId}/told.json`;
    const told = await factory.document<object>(key);
    const ended = { ...told, callback: 'begun', warnings: [] };
    await factory.store.put(key, new TextEncoder().encode(JSON.stringify(ended)));
    for (let n = 0; n < 2; n++)
      expect((await again(runId)).warnings?.join()).toContain('callback to Harness may have failed');
    expect(callbacks).toBe(1);
  });

  it('notifies of another run that has the name of an old one', async () => {
    await start();
    for (let n = 1; n <= 2; n++) {
      await factory.sync({}, { runId: 'nightly' });
      expect([notified.length, recorded, callbacks]).toEqual([n, n, n]);
    }
  });
});
