import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import picomatch from 'picomatch';
import { ManifestCache } from '../../functions/state/manifest-cache.ts';
import { type Task, tasks } from '../../infra/local/tasks.ts';
import { taskNeeds } from '../../infra/task-needs.ts';
import { tasksOf } from '../../infra/workflow-definition.ts';
import { type Factory, startFactory } from '../tasks/factory.ts';
import { useTemporaryFolders } from '../temporary-folder.ts';

const temporaryFolder = useTemporaryFolders();

/** The task that is at work. */
const running = new AsyncLocalStorage<string>();
/** Keys that tasks wrote, or would have written when a lock is old enough. */
const writes = new Map<string, Set<string>>();
/** Keys that tasks read, or looked for. */
const reads = new Map<string, Set<string>>();

/** Runs a task as Lambda does: without the memory of other tasks, and with an empty cache of manifests. */
function alone(name: string, task: Task, folder: () => string): Task {
  const [id = ''] = tasksOf(`\${${name}}`);
  return async (event, run) => {
    await rm(join(folder(), 'manifests'), { recursive: true, force: true });
    Object.assign(run.runtime, { manifests: new ManifestCache(run.runtime.store) });
    return running.run(id, () => task(event, run));
  };
}

describe('permissions of tasks in the state bucket', () => {
  let factory: Factory;

  beforeAll(async () => {
    const folder = temporaryFolder('state-writes');
    factory = await startFactory({
      samples: {},
      folder,
      harness: { quirks: { nonWritableFields: ['ci/K8/securityTag'] } },
      environment: { MAX_CONCURRENCY: '1' },
    });
    const { store, harness } = factory;
    const note = (keys: typeof writes, key: string) => {
      const task = running.getStore();
      if (task !== undefined) keys.set(task, (keys.get(task) ?? new Set()).add(key));
    };
    store.onPut = (key) => note(writes, key);
    const get = store.get.bind(store);
    store.get = (key) => {
      note(reads, key);
      return get(key);
    };
    const update = store.update.bind(store);
    store.update = (key, change) => {
      note(writes, key);
      note(reads, key);
      return update(key, change);
    };
    for (const [name, task] of Object.entries(tasks)) Object.assign(tasks, { [name]: alone(name, task, () => folder) });

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
    expect(await factory.sync({ override_values: 'relative' })).toMatchObject({ status: 'SUCCEEDED' });
    expect(await factory.run('reset')).toMatchObject({ status: 'SUCCEEDED' });
    const bundle = join(await mkdtemp(join(tmpdir(), 'factory-bundle-')), 'harness.tar');
    expect(await factory.run('export', { bundle })).toMatchObject({ status: 'SUCCEEDED' });
    expect(await factory.run('import', { bundle })).toMatchObject({ status: 'SUCCEEDED' });
  }, 60_000);

  afterAll(() => factory.close());

  const both = (task: string) => ['runs/*', ...(taskNeeds[task]?.writes ?? [])];
  const writable = (task: string) => [...both(task), ...(taskNeeds[task]?.pages ?? [])];
  const readable = (task: string) => [...both(task), ...(taskNeeds[task]?.reads ?? [])];
  /** IAM's `*` goes across slashes. */
  const matches = (key: string, pattern: string) => picomatch.isMatch(key, pattern.replace('*', '**'));
  /** `task key` for each key that none of its patterns allows. */
  const refused = (used: Map<string, Set<string>>, granted: (task: string) => string[]) =>
    [...used].flatMap(([task, keys]) =>
      [...keys].filter((key) => !granted(task).some((pattern) => matches(key, pattern))).map((key) => `${task} ${key}`),
    );
  /**
   * Keys that these runs do not use: none builds an image with a template, no layer is large enough for parts, and the
   * bundle leaves nothing out.
   */
  const notHere = ['built/an-image.json', 'checkpoints/a-copy.json', 'received.json'];
  const namedInVain = (used: Map<string, Set<string>>, granted: (task: string) => string[]) => {
    const keys = [...notHere, ...[...used.values()].flatMap((set) => [...set])];
    return [...new Set(Object.keys(taskNeeds).flatMap(granted))].filter(
      (pattern) => !keys.some((key) => matches(key, pattern)),
    );
  };

  it('grants every read and write of these runs', () => {
    expect(refused(writes, writable)).toEqual([]);
    expect(refused(reads, readable)).toEqual([]);
  });

  it('covers the reads and writes of every task except the scan', () => {
    const all = Object.keys(tasks).flatMap((name) => tasksOf(`\${${name}}`));
    expect(new Set([...writes.keys(), 'scan'])).toEqual(new Set(all));
    expect(new Set([...reads.keys(), 'scan'])).toEqual(new Set(all));
  });

  it('names no key that none of them reads or writes', () => {
    expect(namedInVain(writes, writable)).toEqual([]);
    expect(namedInVain(reads, readable)).toEqual([]);
  });

  it('names nothing for one of them to read that it does not read', () => {
    for (const [task, { reads: named = [] }] of Object.entries(taskNeeds))
      for (const pattern of named)
        expect([task, pattern, [...(reads.get(task) ?? []), ...notHere].some((key) => matches(key, pattern))]).toEqual([
          task,
          pattern,
          true,
        ]);
  });
});
