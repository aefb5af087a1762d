import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { FactoryError } from '../../functions/errors.ts';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { parseRegistryLocation } from '../../functions/oci/spec/reference.ts';
import type { FieldChange, Plan, PlannedImage } from '../../functions/state/documents.ts';
import { noteLooks, readLooks } from '../../functions/state/looks.ts';
import { checkPullable } from '../../functions/snapshot/pullable.ts';
import { storedImage } from '../oci/stored-images.ts';
import { type Factory, startFactory } from '../tasks/factory.ts';
import { imageOf } from '../tasks/stage.ts';

const startedAt = new Date().toISOString();
const name = 'plugins/cache:1';
const image = storedImage([Buffer.from('cache')]);
const digest = image.digest as Digest;
const other = storedImage([Buffer.from('another')]);

let factory: Factory;
let target: string;
beforeAll(async () => {
  factory = await startFactory({ samples: {} });
  target = factory.copyOf(name);
});
beforeEach(() => {
  const { storage, requests } = factory.target;
  for (const repository of storage.repositories()) storage.deleteRepository(repository);
  factory.target.storage.putImage('mirror/plugins/cache', '1', image);
  requests.length = 0;
});
afterEach(() => {
  jest.restoreAllMocks();
});
afterAll(() => factory.close());

const change = (to: string | null, key: string | undefined = name): FieldChange => ({
  module: 'ci',
  infrastructureType: 'K8',
  field: 'cacheS3Tag',
  from: null,
  to,
  image: key,
});
const planned = (more: Record<string, unknown> = { digest }): PlannedImage =>
  imageOf({ image: name, target, status: 'copy', ...more });

/** Checks what is to be written, that many milliseconds after the run began. Returns what ends the run. */
function check(
  plan: Partial<Plan>,
  changes: readonly FieldChange[] = [change(target)],
  laterMs = 0,
): Promise<FactoryError | undefined> {
  jest.spyOn(Date, 'now').mockReturnValue(Date.parse(startedAt) + laterMs);
  const registry = parseRegistryLocation(factory.registry);
  const whole = { action: 'sync', startedAt, registry, images: [], ...plan } as unknown as Plan;
  return factory.task(
    (_, { runtime }) =>
      checkPullable(whole, changes, { runtime }).then(
        () => undefined,
        (error: unknown) => error as FactoryError,
      ),
    undefined,
  );
}

const asked = (path: RegExp) => factory.target.requests.filter((request) => path.test(request.path)).length;
const loseLayer = () => {
  const lost = [...image.blobs.keys()].at(-1) ?? '';
  factory.target.storage.deleteBlob('mirror/plugins/cache', lost);
  return lost;
};

describe('the images to be written', () => {
  it('does not look up images at other registries, or removed overrides', async () => {
    expect(await check({}, [change(null), change('other.example/plugins/cache:1'), change(':odd')])).toBeUndefined();
    expect(factory.target.requests).toEqual([]);
  });

  it('looks each image up once, however many fields it is for', async () => {
    expect(await check({ images: [planned()] }, [change(target), change(target)])).toBeUndefined();
    expect(asked(/manifests\/1$/)).toBe(1);
  });

  it('must be at the registry under its tag', async () => {
    factory.target.storage.deleteTag('mirror/plugins/cache', '1');
    expect(await check({ images: [planned()] })).toMatchObject({
      name: 'ImagesIncomplete',
      message: `Harness could not pull the images of this switch: ${target} does not exist`,
      hint: 'Harness was not changed. Run sync again: it copies what is missing.',
    });
  });

  it.each(['sync', 'import'] as const)('names %s as the cure of a run of that action', async (action) => {
    factory.target.storage.deleteTag('mirror/plugins/cache', '1');
    const error = await check({ action, images: [planned()] });
    expect(error?.hint).toBe(`Harness was not changed. Run ${action} again: it copies what is missing.`);
  });

  it('requires an image that a restore writes back, whatever its digest', async () => {
    expect(await check({ action: 'restore' }, [change(target, undefined)])).toBeUndefined();
    const lost = loseLayer();
    expect(await check({ action: 'restore' }, [change(target, undefined)])).toMatchObject({
      message: expect.stringMatching(new RegExp(`${target} lacks blob ${lost}$`)),
      hint: expect.stringContaining('Copy the old versions again with sync and "pins"'),
    });
    factory.target.storage.deleteTag('mirror/plugins/cache', '1');
    const gone = await check({ action: 'restore' }, [change(target, undefined)]);
    expect(gone?.message).toContain(`${target} does not exist`);
  });

  it('must have the digest that was planned', async () => {
    factory.target.storage.putImage('mirror/plugins/cache', '1', other);
    const error = await check({ images: [planned()] });
    expect(error?.message).toContain(`${target} is ${other.digest}, not ${digest}`);
  });

  it('need not have the digest of a version that an override holds', async () => {
    factory.target.storage.putImage('mirror/plugins/cache', '1', other);
    expect(await check({ images: [planned({ digest, held: true })] })).toBeUndefined();
  });

  it('marks an incomplete image for a check by the next sync', async () => {
    const { store } = factory;
    const now = new Date(startedAt);
    const beside = { reference: factory.copyOf('plugins/beside:1'), digest: other.digest as Digest };
    factory.target.storage.putImage('mirror/plugins/beside', '1', other);
    await noteLooks(
      store,
      [
        { reference: target, digest, whole: true },
        { ...beside, whole: true },
      ],
      now,
    );
    expect(await check({ images: [planned({ digest, status: 'current' })] })).toBeUndefined();
    expect((await readLooks(store)).isDue(target, digest, 7, now)).toBe(false);
    loseLayer();
    const whole = imageOf({ image: 'beside', target: beside.reference, digest: beside.digest, status: 'current' });
    const changes = [change(target), change(beside.reference, 'beside')];
    const error = await check({ images: [planned({ digest, status: 'current' }), whole] }, changes);
    expect(error?.name).toBe('ImagesIncomplete');
    const looks = await readLooks(store);
    expect(looks.isDue(target, digest, 7, now)).toBe(true);
    expect(looks.isDue(beside.reference, beside.digest, 7, now)).toBe(false);
  });
});

describe('the blobs of an image', () => {
  it('does not look up the blobs of an image in the minute in which the run copied it', async () => {
    loseLayer();
    expect(await check({ images: [planned()] }, undefined, 59_999)).toBeUndefined();
    expect(asked(/blobs/)).toBe(0);
  });

  it.each<[string, Record<string, unknown>, number]>([
    ['later than that', { digest }, 60_000],
    ['when it was there before', { digest, status: 'current' }, 0],
    ['when only its referrers were copied', { digest, present: true }, 0],
    ['when a template built it', {}, 0],
  ])('looks up the blobs of an image %s', async (_situation, more, laterMs) => {
    const lost = loseLayer();
    expect((await check({ images: [planned(more)] }, undefined, laterMs))?.message).toContain(`lacks blob ${lost}`);
  });
});

describe('the message', () => {
  it.each([
    [1, /: [^;]*v00 does not exist$/],
    [20, /: [^;]*v00 does not exist; .*v19 does not exist$/],
    [21, /: [^;]*v00 does not exist; .*v19 does not exist; and 1 more$/],
    [23, /v19 does not exist; and 3 more$/],
  ])('names %d missing pieces in their order, or the first 20', async (count, expected) => {
    const names = Array.from({ length: count }, (_number, i) => `plugins/gone:v${String(i).padStart(2, '0')}`);
    const changes = names.toReversed().map((each) => change(factory.copyOf(each), each));
    expect((await check({}, changes))?.message).toMatch(expected);
  });
});
