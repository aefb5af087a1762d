import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Notification, type Report, report as reportSchema } from '../../functions/state/documents.ts';
import { RunDocuments } from '../../functions/state/run-documents.ts';
import { FileStore } from '../../infra/local/file-store.ts';
import { report } from '../../functions/report/report.ts';
import { type Factory, type FactoryOptions, k8, startFactory } from './factory.ts';

describe('the facts', () => {
  let factory: Factory;
  const start = async (options?: FactoryOptions) => (factory = await startFactory(options));
  afterEach(() => factory.close());

  /** Takes a copy away when the switch is recorded: verify fails. */
  function losesACopy(also = () => {}): void {
    factory.store.onPut = (key) => {
      if (!key.endsWith('/config.json')) return;
      factory.store.onPut = () => undefined;
      factory.target.storage.deleteTag('mirror/plugins/cache', '1.10.12');
      also();
    };
  }

  const names = ({ phases = [] }: Report) => phases.map(({ name }) => name);

  describe('the time line of a report', () => {
    it('has every phase of a sync in its order, within the run', async () => {
      await start();
      const report = await factory.sync();
      expect(names(report)).toEqual(['plan', 'copy', 'gate', 'snapshot', 'update-config', 'verify']);
      const { phases = [], startedAt = '', endedAt = '', totals } = report;
      expect(Date.parse(endedAt) - Date.parse(startedAt)).toBeGreaterThanOrEqual(0);
      expect(Math.abs(Date.parse(endedAt) - Date.parse(startedAt) - totals.durationMs)).toBeLessThan(50);
      for (const phase of phases.slice(1)) {
        expect(phase.startedAt >= startedAt).toBe(true);
        expect(phase.endedAt >= phase.startedAt && phase.endedAt <= endedAt).toBe(true);
      }
    });

    it('has the phases of a run that failed, the rollback last', async () => {
      await start();
      losesACopy();
      const report = await factory.sync();
      expect(report.status).toBe('FAILED');
      expect(report.harness).toBe('rolled-back');
      expect(report).not.toHaveProperty('firstError');
      expect(names(report)).toEqual(['plan', 'copy', 'gate', 'snapshot', 'update-config', 'verify', 'rollback']);
    });

    it('begins with the plan that refused the input', async () => {
      await start();
      const report = await factory.sync({ modules: ['none'] });
      expect(report.error?.name).toBe('InvalidInput');
      expect(names(report)).toEqual(['plan']);
      expect(report.startedAt).toBe(report.phases?.[0]?.startedAt);
    });

    it('does not keep a run from its report when a phase cannot be recorded', async () => {
      await start();
      factory.store.onPut = (key) => {
        if (key.endsWith('/phases.json')) throw new Error('the disk is full');
      };
      expect((await factory.sync()).status).toBe('SUCCEEDED');
    });

    it('has the start, the duration and the attempts of each copy, and of no other image', async () => {
      await start();
      const { images } = await factory.sync();
      for (const row of images) {
        expect(row.attempts).toBe(1);
        expect(row.durationMs).toBeGreaterThanOrEqual(0);
        expect(Date.parse(row.startedAt ?? '')).toBeGreaterThan(0);
      }
      const again = await factory.sync();
      expect(again.images.map(({ status }) => status)).toEqual(images.map(() => 'skipped'));
      for (const row of again.images) expect(row).not.toHaveProperty('startedAt');
    });
  });

  describe('the place of a run in its report', () => {
    it('has the account, the registry with its prefix, and the trigger', async () => {
      await start();
      expect(await factory.sync()).toMatchObject({
        accountId: factory.harness.accountId,
        registry: factory.registry,
        trigger: 'command',
      });
    });

    it.each([
      ['schedule', { started_by_schedule: 'arn' }, 'night'],
      ['webhook', {}, 'webhook-0a1b'],
      ['execution', {}, 'by-hand'],
    ])('names the trigger of an execution: %s', async (trigger, input, runId) => {
      await start({ startCommand: () => 'start' });
      expect((await factory.run('plan', input, { runId })).trigger).toBe(trigger);
    });

    it('has the input without secrets', async () => {
      await start();
      const secret = `sat.account.${'x'.repeat(20)}.${'y'.repeat(20)}`;
      const { input } = await factory.run('plan', { started_by: secret, modules: ['ci'] });
      expect(input).toMatchObject({ started_by: 'sat.…', modules: ['ci'] });
    });
  });

  describe('Harness after a run', () => {
    beforeEach(() => start());

    it('counts as switched after a sync, unchanged after a second one, and switched after a reset', async () => {
      expect((await factory.sync()).harness).toBe('switched');
      expect((await factory.sync()).harness).toBe('unchanged');
      expect((await factory.run('plan')).harness).toBe('unchanged');
      expect((await factory.run('reset')).harness).toBe('switched');
    });

    it('counts as unknown when the rollback fails too, with the error before it', async () => {
      losesACopy(() => (factory.harness.quirks.failNext = [{ count: 10_000, status: 503, path: '/' }]));
      const report = await factory.sync();
      expect(report).toMatchObject({ harness: 'unknown', error: { name: 'RollbackFailed' } });
      expect(report.firstError?.name).toBe('HarnessUnreachable');
    });
  });

  describe('a report of release 0.1.0', () => {
    it('reads as it was written, without the fields of later releases', async () => {
      await start();
      const store = new FileStore(join(import.meta.dirname, '../state/fixtures/0.1.0'));
      const report = await new RunDocuments(store, 'first').report.get();
      const stored: unknown = JSON.parse(await readFile(store.locate('runs/first/report.json'), 'utf8'));
      expect(report).toEqual(stored);
      expect(reportSchema.safeParse(stored).error).toBeUndefined();
      for (const field of ['startedAt', 'phases', 'harness', 'factory', 'accountId'])
        expect(report).not.toHaveProperty(field);
      expect(Object.keys(k8)).toEqual(expect.arrayContaining(report.config.map(({ field }) => field)));
    });
  });
});

describe('the deliveries', () => {
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
});
