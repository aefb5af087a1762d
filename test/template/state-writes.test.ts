import { AsyncLocalStorage } from 'node:async_hooks';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import picomatch from 'picomatch';
import type { TaskContext } from '../../functions/task.ts';
import { ManifestCache } from '../../functions/run/manifest-cache.ts';
import { tasks } from '../../infra/local/tasks.ts';
import { taskNeeds } from '../../infra/task-needs.ts';
import { tasksOf } from '../../infra/workflow-definition.ts';
import { type Factory, startFactory } from '../tasks/factory.ts';

type Task = (event: never, context: TaskContext) => Promise<unknown>;

/** The task that is at work. */
const running = new AsyncLocalStorage<string>();
/** Keys that tasks wrote, or would have written when a lock is old enough. */
const writes = new Map<string, Set<string>>();

/** As on Lambda, where a task knows nothing of what another has read; and with an empty cache of manifests. */
function alone(name: string, task: Task, folder: () => string): Task {
  const [id = ''] = tasksOf(`\${${name}}`);
  return async (event, context) => {
    await rm(join(folder(), 'manifests'), { recursive: true, force: true });
    if (context.runtime) Object.assign(context.runtime, { manifests: new ManifestCache(context.runtime.store) });
    return running.run(id, () => task(event, context));
  };
}

describe('what tasks may write in the state bucket', () => {
  let factory: Factory;

  beforeAll(async () => {
    factory = await startFactory({
      harness: { quirks: { nonWritableFields: ['ci/K8/securityTag'] } },
      environment: { MAX_CONCURRENCY: '1' },
    });
    const { store, harness } = factory;
    const note = (key: string) => {
      const task = running.getStore();
      if (task !== undefined) writes.set(task, (writes.get(task) ?? new Set()).add(key));
    };
    store.onPut = note;
    const update = store.update.bind(store);
    store.update = (key, change) => {
      note(key);
      return update(key, change);
    };
    for (const [name, task] of Object.entries(tasks))
      Object.assign(tasks, { [name]: alone(name, task, () => store.folder) });

    await factory.run('plan');
    const runId = 'first-sync';
    expect(await factory.sync({ soak_days: 0 }, { runId })).toMatchObject({ status: 'SUCCEEDED' });
    for (const version of ['2', '3', '4', '5']) {
      factory.publish([`plugins/cache:${version}`]);
      harness.setDefault('ci', 'K8', 'cacheS3Tag', `plugins/cache:${version}`);
      const report = await factory.sync({ prune: true, keep_versions: 1 });
      expect(report).toMatchObject({ status: 'SUCCEEDED' });
    }
    expect(await factory.run('restore', { restore_run: runId })).toMatchObject({ status: 'SUCCEEDED' });
    harness.quirks.loseWrites = 9;
    expect(await factory.sync()).toMatchObject({ status: 'FAILED' });
    harness.quirks.loseWrites = 0;
    expect(await factory.sync()).toMatchObject({ status: 'SUCCEEDED' });
    expect(await factory.run('reset')).toMatchObject({ status: 'SUCCEEDED' });
  }, 60_000);

  afterAll(() => factory.close());

  const granted = (task: string) => ['runs/*', ...(taskNeeds[task]?.writes ?? [])];
  /** IAM's `*` goes across slashes. */
  const matches = (key: string, pattern: string) => picomatch.isMatch(key, pattern.replace('*', '**'));

  it('is all that they do write', () => {
    const refused = [...writes].flatMap(([task, keys]) =>
      [...keys].filter((key) => !granted(task).some((pattern) => matches(key, pattern))).map((key) => `${task} ${key}`),
    );
    expect(refused).toEqual([]);
  });

  it('is written by each of them in these runs, but for the scans that the registry here does not offer', () => {
    const all = Object.keys(tasks).flatMap((name) => tasksOf(`\${${name}}`));
    expect(new Set([...writes.keys(), 'scan'])).toEqual(new Set(all));
  });

  it('names no key that none of them writes', () => {
    // Images that a customer's own state machine builds are not part of these runs.
    const keys = ['built/an-image.json', ...[...writes.values()].flatMap((set) => [...set])];
    const patterns = new Set(Object.keys(taskNeeds).flatMap(granted));
    expect([...patterns].filter((pattern) => !keys.some((key) => matches(key, pattern)))).toEqual([]);
  });
});
