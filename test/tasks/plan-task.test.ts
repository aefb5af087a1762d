import { afterEach, describe, expect, it } from '@jest/globals';
import { plan } from '../../functions/plan/plan.ts';
import type { Plan } from '../../functions/state/documents.ts';
import { type Factory, type FactoryOptions, startFactory } from './factory.ts';

/** The task alone: its result, which the workflow reads, and its document, which later tasks read. */

const choice = { include_fields: ['cacheS3Tag'] };
const field = { module: 'ci', infrastructureType: 'K8', field: 'cacheS3Tag' };

let factory: Factory;
afterEach(() => factory.close());
const start = async (options?: FactoryOptions) => void (factory = await startFactory(options));

const runId = 'run-1';

/** Plans a run, and releases its lock, as its report would. */
async function planned(input: object) {
  const result = await factory.task(plan, { runId, input });
  await factory.task((id: string, { runtime }) => runtime.lock.release(id), runId);
  return { result, document: await factory.document<Plan>(`runs/${runId}/plan.json`) };
}

describe('the result of the plan task', () => {
  const none = { waves: [], maxConcurrency: 4, scan: false, prune: false };

  it('leads each action to its tasks', async () => {
    await start();
    const ofRun = async (input: object) => (await planned({ ...choice, ...input })).result;
    expect(await ofRun({ max_concurrency: 4 })).toEqual({ ...none, runId: 'run-1', route: 'copy', waves: [[0]] });
    for (const [action, route] of [
      ['plan', 'report'],
      ['verify', 'verify'],
      ['reset', 'report'],
    ])
      expect(await ofRun({ action, max_concurrency: 4 })).toEqual({ ...none, runId: 'run-1', route });
  });

  it('leads a reset and a restore to the switch only where there is something to write', async () => {
    await start();
    const first = await factory.sync(choice, { runId: 'first' });
    expect(first.status).toBe('SUCCEEDED');
    const restore = { action: 'restore', restore_run: 'first' };
    expect((await planned({ action: 'reset' })).result).toMatchObject({ route: 'configure', waves: [] });
    const { result, document } = await planned(restore);
    expect(result).toMatchObject({ route: 'configure', waves: [] });
    expect(document.changes).toMatchObject([{ ...field, from: factory.copyOf('plugins/cache:1.10.12'), to: null }]);
    expect((await factory.run('reset')).status).toBe('SUCCEEDED');
    expect((await planned(restore)).result).toMatchObject({ route: 'report', waves: [] });
  });

  it('says whether the run scans and prunes', async () => {
    const scan = 'arn:aws:states:eu-west-1:123456789012:stateMachine:scan';
    await start({ environment: { GATHER_SCAN_TEMPLATE: scan } });
    expect((await planned({ ...choice, wait_for_scan: true, prune: true })).result).toMatchObject({
      scan: true,
      prune: true,
    });
  });
});

describe('the document of the plan task', () => {
  it('has the keys of a plain sync, and no others', async () => {
    await start();
    const { document } = await planned(choice);
    expect(Object.keys(document).toSorted()).toEqual([
      'accountId',
      'action',
      'changes',
      'images',
      'inUse',
      'input',
      'kept',
      'maxConcurrency',
      'modifyDefault',
      'onPartialFailure',
      'prune',
      'pulls',
      'referrers',
      'registries',
      'registry',
      'runId',
      'startedAt',
      'trigger',
      'unused',
      'version',
      'warnings',
    ]);
    expect(document).toMatchObject({ accountId: factory.harness.accountId, runId: 'run-1', trigger: 'command' });
    expect(document.changes).toMatchObject([{ ...field, from: null, to: factory.copyOf('plugins/cache:1.10.12') }]);
    const stored = await factory.document<{ changes: object; held: object }>('runs/run-1/changes.json');
    expect(stored).toMatchObject({ changes: document.changes, held: [] });
  });
});

describe('a run with more builds than one execution can hold', () => {
  const images = Array.from({ length: 101 }, (_, index) => `plugins/own-${index}:1`);

  it('ends in its plan, and a verify of the same images does not', async () => {
    const build = 'arn:aws:states:eu-west-1:123456789012:stateMachine:build';
    await start({ environment: { BUILD_PUSH_TEMPLATE: build } });
    factory.publish(images);
    const input = { ...choice, extra_images: images };
    const tooMany = { name: 'InvalidInput', message: '102 images must be built; one run can build at most 100' };
    await expect(planned(input)).rejects.toMatchObject(tooMany);
    await expect(planned({ ...input, action: 'plan' })).rejects.toMatchObject(tooMany);
    expect((await planned({ ...input, action: 'verify' })).result.route).toBe('verify');
  }, 60_000);
});
