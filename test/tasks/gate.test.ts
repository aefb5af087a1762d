import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type CopyOutcome, gate } from '../../functions/gate/gate.ts';
import type { FieldChange, KeptField, Plan, PlannedImage, ScanResult } from '../../functions/run/documents.ts';
import { type Factory, startFactory } from './factory.ts';

const scope = { module: 'ci', infrastructureType: 'K8' } as const;
const change = (field: string, image?: string): FieldChange => ({
  ...scope,
  field,
  from: 'old',
  to: image === undefined ? null : `reg.example/m/${image}`,
  ...(image !== undefined && { image }),
});
const image = (name: string, status: PlannedImage['status'] = 'current'): PlannedImage => ({
  image: name,
  target: `reg.example/m/${name}`,
  status,
});

let factory: Factory;
beforeEach(async () => {
  factory = await startFactory();
});
afterEach(() => factory.close());

/** What the gate decides about a plan, with scans by image where they are asked for. */
async function decide(
  plan: Partial<Plan>,
  scans?: Record<string, ScanResult['status']>,
  copies: CopyOutcome[][] = [],
): Promise<{ route: string; changed: string[]; held: KeptField[] }> {
  return factory.task(async (_, run) => {
    const documents = run.runtime.run('run-1');
    await documents.plan.put({
      runId: 'run-1',
      action: 'sync',
      startedAt: new Date().toISOString(),
      registry: { registry: 'reg.example', prefix: 'm' },
      modifyDefault: true,
      onPartialFailure: 'update-succeeded',
      referrers: 'off',
      prune: false,
      images: [],
      changes: [],
      kept: [],
      unused: [],
      warnings: [],
      ...(scans && { scan: { failOn: 'CRITICAL', allow: [], deadlineMinutes: 30 } }),
      ...plan,
    });
    if (scans)
      await documents.scans.put({
        startedAt: new Date().toISOString(),
        calls: 0,
        warnings: [],
        images: Object.entries(scans).map(([name, status]) => ({
          image: name,
          target: `reg.example/m/${name}`,
          digest: `sha256:${'a'.repeat(64)}`,
          result: { status },
        })),
      } as never);
    const { route } = await gate({ runId: 'run-1', copies }, run);
    const { changes, held } = await documents.changes.get();
    return { route, changed: changes.map(({ field }) => field), held };
  }, {});
}

describe('the gate after scans', () => {
  const images = [image('a:1'), image('b:1'), image('c:1', 'failed')];
  const changes = [change('a', 'a:1'), change('b', 'b:1'), change('c', 'c:1'), change('gone')];

  it('switches what passed, holds back what did not, and takes overrides without an image away', async () => {
    const { route, changed, held } = await decide({ images, changes }, { 'a:1': 'passed', 'b:1': 'failed' });
    expect(route).toBe('configure');
    expect(changed).toEqual(['a', 'gone']);
    expect(held.map(({ field, reason }) => `${field}: ${reason}`)).toEqual([
      'b: b:1 did not pass its scan',
      'c: c:1 could not be copied',
    ]);
  });

  it('holds back an image that nobody scanned, and one whose scan is pending', async () => {
    const { changed } = await decide({ images, changes: changes.slice(0, 2) }, { 'a:1': 'pending' });
    expect(changed).toEqual([]);
  });

  it('says of an image that was not copied that it was not copied, though its scan passed', async () => {
    const { held } = await decide({ images, changes: changes.slice(2, 3) }, { 'c:1': 'passed' });
    expect(held.map(({ reason }) => reason)).toEqual(['c:1 could not be copied']);
  });

  it('lets nothing through when one failed and the others are to wait for it', async () => {
    const plan = { images, changes: changes.slice(0, 2), onPartialFailure: 'abort' } as const;
    await expect(decide(plan, { 'a:1': 'passed', 'b:1': 'failed' })).rejects.toMatchObject({
      name: 'ImagesFailed',
      message: '1 of 3 images could not be copied: c:1; 1 of 3 images did not pass its scan: b:1',
    });
  });
});

describe('the gate after copies', () => {
  const images = [image('a:1', 'copy'), image('b:1', 'copy')];
  const changes = [change('a', 'a:1'), change('b', 'b:1')];

  it('reports a copy whose function died by the name of its error', async () => {
    const dead = { image: 1, status: 'failed', error: { Error: 'Sandbox.Timedout' } };
    await expect(decide({ images, changes, onPartialFailure: 'abort' }, undefined, [[dead]])).rejects.toThrow();
    expect(await factory.document('runs/run-1/images/1.json')).toMatchObject({
      status: 'failed',
      bytesTransferred: 0,
      bytesSkipped: 0,
      error: { name: 'FunctionCrashed', message: expect.stringContaining('time limit') },
    });
  });

  it('switches nothing where Harness is to be left as it is, or nothing is left to switch', async () => {
    const current = [image('a:1')];
    const one = changes.slice(0, 1);
    expect((await decide({ images: current, changes: one, modifyDefault: false })).route).toBe('verify');
    expect((await decide({ images: current, changes: [] })).route).toBe('verify');
    expect((await decide({ images: current, changes: one })).route).toBe('configure');
  });

  it.each([
    [5, 'a0, a1, a2, a3, a4'],
    [6, 'a0, a1, a2, a3, a4 and 1 more'],
  ])('names five of the images that failed, of %i', async (count, names) => {
    const failed = Array.from({ length: count }, (_, n) => image(`a${n}`, 'failed'));
    await expect(decide({ images: failed, onPartialFailure: 'abort' })).rejects.toMatchObject({
      message: `${count} of ${count} images could not be copied: ${names}`,
    });
  });
});
