import { beforeEach, describe, expect, it } from '@jest/globals';
import { gate, type GateEvent } from '../../functions/gate/gate.ts';
import { digestOf } from '../../functions/oci/spec/digest.ts';
import type { CopyResult, FieldChange, Plan, PlannedImage, ScanResult } from '../../functions/state/documents.ts';
import { change, planOf, runId, setStage, type Stage, imageOf } from './stage.ts';

let stage: Stage;
beforeEach(() => {
  stage = setStage();
});

const digest = digestOf(new Uint8Array());
const image = (name: string, status: PlannedImage['status'], more: Record<string, unknown> = {}): PlannedImage =>
  imageOf({ image: name, target: `registry.example/mirror/${name}`, status, ...more });
const copied: CopyResult = { status: 'copied', bytesTransferred: 7, bytesSkipped: 0 };
const refused: CopyResult = {
  status: 'failed',
  bytesTransferred: 0,
  bytesSkipped: 0,
  error: { name: 'PushRefused', message: 'quota exceeded', hint: 'Raise it.' },
};
/** The three kinds of images, and a field for each. */
const kinds = [image('current:1', 'current'), image('copied:1', 'copy'), image('failed:1', 'failed')];
const fields = (...names: string[]): FieldChange[] =>
  names.map((name) => change(`${name}Tag`, `registry.example/mirror/${name}:1`, { image: `${name}:1` }));

async function decide(plan: Partial<Plan>, results: Record<number, CopyResult> = {}, copies: GateEvent['copies'] = []) {
  await stage.documents.plan.put(planOf(plan));
  for (const [index, result] of Object.entries(results)) await stage.documents.copyResult(Number(index)).put(result);
  const { route } = await gate({ runId, copies }, { runtime: stage.runtime, signal: undefined });
  const { changes, held } = await stage.documents.changes.get();
  return { route, changes: changes.map(({ field }) => field), held: held.map(({ reason }) => reason) };
}

describe('the gate', () => {
  it('switches everything when all images are there or were copied', async () => {
    const plan = { images: kinds.slice(0, 2), changes: fields('current', 'copied') };
    expect(await decide(plan, { 1: copied }, [[{ image: 1, status: 'copied' }]])).toEqual({
      route: 'configure',
      changes: ['currentTag', 'copiedTag'],
      held: [],
    });
  });

  it.each<[string, Partial<Plan>, string]>([
    ['a single change', { changes: fields('current') }, 'configure'],
    ['nothing to change', { changes: [] }, 'verify'],
    ['a run that does not modify the account', { changes: fields('current'), modifyDefault: false }, 'verify'],
  ])('continues where the policy allows it: %s', async (_, plan, route) => {
    expect((await decide({ images: kinds.slice(0, 1), ...plan })).route).toBe(route);
  });

  it.each<[string, PlannedImage[], Record<number, CopyResult>]>([
    ['an image that no source has', [image('lost:1', 'failed')], {}],
    ['a copy that failed', [image('lost:1', 'copy')], { 0: refused }],
    ['a copy that left no result', [image('lost:1', 'copy')], {}],
  ])('switches nothing because of %s', async (_, images, results) => {
    const plan = { images: [...images, image('current:1', 'current')], changes: fields('lost', 'current') };
    await expect(decide(plan, results)).rejects.toMatchObject({
      name: 'ImagesFailed',
      message: '1 of 2 images could not be copied: lost:1',
    });
    expect(await stage.documents.changes.find()).toBeUndefined();
  });

  it('holds back failed images with update-succeeded, and switches the rest', async () => {
    const plan = { images: kinds, changes: fields('current', 'copied', 'failed') };
    expect(await decide({ ...plan, onPartialFailure: 'update-succeeded' }, { 1: refused })).toEqual({
      route: 'configure',
      changes: ['currentTag'],
      held: ['copied:1 could not be copied', 'failed:1 could not be copied'],
    });
  });

  it('lets nothing fail because of an image that nothing is switched to', async () => {
    const images = [image('failed:1', 'failed', { held: true }), image('current:1', 'current')];
    expect((await decide({ images, changes: fields('current') })).route).toBe('configure');
  });

  it('writes the end of a copy that crashed where its result should be', async () => {
    const crash = { Error: 'Runtime.ExitError', Cause: '{"errorMessage":"signal: killed"}' };
    const copies = [[{ image: 1, status: 'copied' }], [{ image: 0, status: 'failed', error: crash }]];
    const plan = { images: [image('lost:1', 'copy'), image('copied:1', 'copy')], changes: fields('lost', 'copied') };
    await expect(decide(plan, { 1: copied }, copies)).rejects.toMatchObject({
      message: '1 of 2 images could not be copied: lost:1',
    });
    expect(await stage.documents.copyResult(0).get()).toMatchObject({
      status: 'failed',
      bytesTransferred: 0,
      bytesSkipped: 0,
      error: { name: 'FunctionCrashed', message: expect.stringContaining('signal: killed') },
    });
    expect(await stage.documents.copyResult(1).get()).toEqual(copied);
  });

  it('writes that a result is missing where it should be', async () => {
    await expect(decide({ images: [image('lost:1', 'copy')], changes: fields('lost') })).rejects.toThrow('lost:1');
    expect(await stage.documents.copyResult(0).get()).toMatchObject({
      status: 'failed',
      error: {
        name: 'StoreFailed',
        message: expect.stringMatching(/result of copying lost:1 is missing: .*images\/0\.json/),
      },
    });
  });

  it.each([
    [5, 'a:0, a:1, a:2, a:3, a:4'],
    [6, 'a:0, a:1, a:2, a:3, a:4 and 1 more'],
    [7, 'a:0, a:1, a:2, a:3, a:4 and 2 more'],
  ])('names five images of %i that failed', async (count, names) => {
    const images = Array.from({ length: count }, (_, n) => image(`a:${n}`, 'failed'));
    await expect(decide({ images })).rejects.toThrow(
      expect.objectContaining({ message: `${count} of ${count} images could not be copied: ${names}` }),
    );
  });
});

describe('the gate of a run that waits for scans', () => {
  const scan = { failOn: 'CRITICAL' as const, allow: [], deadlineMinutes: 60 };

  async function scanned(results: Record<string, ScanResult['status']>): Promise<void> {
    const images = Object.entries(results).map(([name, status]) => ({
      image: name,
      target: `registry.example/mirror/${name}`,
      digest,
      result: { status },
    }));
    await stage.documents.scans.put({ startedAt: '2026-01-01T00:00:00.000Z', images, calls: 0, warnings: [] });
  }

  it('switches to images that passed, and holds back those that failed or are not scanned yet', async () => {
    await scanned({ 'passed:1': 'passed', 'vulnerable:1': 'failed', 'late:1': 'pending' });
    const names = ['passed', 'vulnerable', 'late', 'unknown'];
    const images = names.map((name) => image(`${name}:1`, 'current'));
    const plan = { images, changes: fields(...names), scan, onPartialFailure: 'update-succeeded' as const };
    expect(await decide(plan)).toEqual({
      route: 'configure',
      changes: ['passedTag'],
      held: ['vulnerable:1', 'late:1', 'unknown:1'].map((name) => `${name} did not pass its scan`),
    });
  });

  it('switches nothing when no scan was made', async () => {
    await expect(decide({ images: kinds.slice(0, 1), changes: fields('current'), scan })).rejects.toThrow(
      '1 of 1 images did not pass its scan: current:1',
    );
  });

  it('reports a failed copy as a failed copy, not as a failed scan', async () => {
    await scanned({ 'vulnerable:1': 'failed', 'failed:1': 'passed' });
    const images = [image('failed:1', 'failed'), image('vulnerable:1', 'current')];
    await expect(decide({ images, changes: fields('failed', 'vulnerable'), scan })).rejects.toThrow(
      expect.objectContaining({
        message: '1 of 2 images could not be copied: failed:1; 1 of 2 images did not pass its scan: vulnerable:1',
      }),
    );
  });

  it('removes an override, for which no image must be there', async () => {
    await scanned({});
    expect(await decide({ changes: [change('goneTag', null)], scan })).toMatchObject({ changes: ['goneTag'] });
  });

  describe('and moves tags', () => {
    const images = ['a', 'b', 'c', 'd'].map((name) => image(`${name}:1`, 'copy', { afterScan: true }));
    const results = { 0: copied, 1: copied, 2: copied, 3: refused };
    const lenient = { images, scan, onPartialFailure: 'update-succeeded' as const };
    const tagsOf = async (plan: Partial<Plan>) => {
      await scanned({ 'a:1': 'passed', 'b:1': 'passed', 'c:1': 'failed', 'd:1': 'passed' });
      await decide(plan, results);
      const { route: _, ...tags } = await gate({ runId, copies: [] }, { runtime: stage.runtime, signal: undefined });
      return tags;
    };

    it('moves those that fields are switched to first, and none of an image that failed', async () => {
      expect(await tagsOf({ ...lenient, changes: fields('a', 'c', 'd') })).toEqual({ tags: [0], keptTags: [1] });
    });

    it('moves all later when no field is switched', async () => {
      expect(await tagsOf({ ...lenient, changes: fields('a'), modifyDefault: false })).toEqual({ keptTags: [0, 1] });
    });

    it('moves none when an image fails', async () => {
      await expect(tagsOf({ images: images.slice(0, 3), scan })).rejects.toThrow('did not pass its scan: c:1');
    });

    it('moves none when the switch is blocked: the run will fail', async () => {
      expect(await tagsOf({ ...lenient, blocked: { reason: 'the connector', steps: [] } })).toEqual({});
    });
  });

  it('does not read scans when the run waits for none', async () => {
    await scanned({ 'current:1': 'failed' });
    expect((await decide({ images: kinds.slice(0, 1), changes: fields('current') })).route).toBe('configure');
  });
});
