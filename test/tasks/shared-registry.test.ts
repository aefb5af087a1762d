import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copy } from '../../functions/copy/copy.ts';
import type { Plan } from '../../functions/state/documents.ts';
import { Deadline } from '../../functions/oci/copy/deadline.ts';
import type { TaskRun } from '../../functions/runtime/task-run.ts';
import { type Factory, startFactory } from './factory.ts';

describe('a registry that many processes use', () => {
  let factory: Factory;
  beforeEach(async () => {
    factory = await startFactory({ samples: {} });
  });
  afterEach(() => factory.close());

  /** The plan of a run that copies one image, changed as a test wants it. */
  async function planned(runId: string, field: string, change: Partial<Plan>): Promise<void> {
    await factory.run('plan', { include_fields: [field] }, { runId });
    const key = `runs/${runId}/plan.json`;
    const plan = { ...(await factory.document<Plan>(key)), ...change };
    await factory.store.put(key, new TextEncoder().encode(JSON.stringify(plan)));
  }

  /** Gives the run a deadline, as every call has on Lambda. */
  const onLambda = (run: TaskRun): TaskRun => ({ ...run, deadline: Deadline.in(600_000) });

  const shares = (hosting: (run: TaskRun) => TaskRun) =>
    factory.task(
      async (event: Parameters<typeof copy>[0], run) => {
        const found: number[] = [];
        const registry = run.runtime.registry(factory.target.host);
        registry.shareOf = (processes) => void found.push(processes);
        expect((await copy(event, hosting(run))).status).toBe('copied');
        return found;
      },
      { runId: 'run-1', image: 0 },
    );

  describe('a copy that is one of many processes', () => {
    it('leaves the others their part of the pace of the registry', async () => {
      await planned('run-1', 'cacheS3Tag', { maxConcurrency: 20 });
      expect(await shares(onLambda)).toEqual([20]);
    });

    it('does not divide the pace where one process makes all copies', async () => {
      await planned('run-1', 'cacheS3Tag', { maxConcurrency: 20 });
      expect(await shares((run) => run)).toEqual([]);
    });
  });

  describe('a process that goes from run to run', () => {
    it('mounts blobs again when the registry was set to', async () => {
      await planned('run-1', 'cacheS3Tag', { mounts: 'off' });
      await planned('run-2', 'addonTag', {});
      const mounts = () => factory.target.requests.filter(({ query }) => query.includes('mount=')).length;
      await factory.task(async (image: number, run) => {
        expect(await copy({ runId: 'run-1', image }, onLambda(run))).toMatchObject({ status: 'copied' });
        expect(mounts()).toBe(0);
        expect(await copy({ runId: 'run-2', image }, onLambda(run))).toMatchObject({ status: 'copied' });
        expect(mounts()).toBeGreaterThan(0);
      }, 0);
    });
  });
});
