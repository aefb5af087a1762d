import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FactoryError } from '../../functions/errors.ts';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { parseRegistryLocation, formatReference, parseReference } from '../../functions/oci/spec/reference.ts';
import type { Found } from '../../functions/plan/images.ts';
import { planRepairs, type Repairs, type RepairSettings } from '../../functions/plan/repairs.ts';
import { noteLooks, readLooks } from '../../functions/state/looks.ts';
import type { Runtime } from '../../functions/runtime/runtime.ts';
import type { Image } from '../../infra/local/embedded/registry/storage.ts';
import { storedImage } from '../oci/stored-images.ts';
import { type Factory, type FactoryOptions, startFactory } from '../tasks/factory.ts';
import { imageOf } from '../tasks/stage.ts';

const now = new Date('2026-01-31T12:00:00Z');
const image = storedImage([Buffer.from('cache')]);
const digest = image.digest as Digest;
const [lost, lostContent] = [...image.blobs].at(-1) as [Digest, Buffer];
const lostBlob = { kind: 'blob', digest: lost, size: lostContent.length };

let factory: Factory;
beforeEach(() => start());
afterEach(() => factory.close());

/** Starts with the image `plugins/cache:1` at source and target. */
async function start(options?: FactoryOptions): Promise<void> {
  await factory?.close();
  factory = await startFactory({ samples: {}, ...options });
  put('plugins/cache:1');
}

const target = (name: string) => factory.copyOf(name);
const prefix = () => parseRegistryLocation(factory.registry).prefix;
const at = (name: string) => (prefix() === '' ? name : `${prefix()}/${name}`);

function put(name: string, of: Image = image): void {
  const [path = '', tag = ''] = name.split(':');
  factory.source.storage.putImage(path, tag, of);
  factory.target.storage.putImage(at(path), tag, of);
}

const lose = (name = 'plugins/cache') => factory.target.storage.deleteBlob(at(name), lost);

function found(name: string, more: Record<string, unknown> = {}): Found {
  return { planned: imageOf({ image: name, target: target(name), digest, status: 'current', ...more }) };
}

async function plan(
  images: readonly Found[],
  more: Partial<RepairSettings> = {},
  prepare: (runtime: Runtime) => void = () => undefined,
): Promise<Repairs & { error?: Error }> {
  return factory.task(async (_, { runtime }) => {
    prepare(runtime);
    const settings: RepairSettings = {
      registry: parseRegistryLocation(factory.registry),
      sources: [parseRegistryLocation(factory.source.host)],
      recheckDays: 7,
      now,
      switched: new Set(),
      inUse: [],
      inventory: {},
      ...more,
    };
    return planRepairs(images, settings, { runtime }).catch((error: unknown) => {
      return { held: [], warnings: [], error: error as Error };
    });
  }, undefined);
}

/** Notes that everything below a tag was there, that many days ago. */
const seen = (days: number, name = 'plugins/cache:1') =>
  noteLooks(
    factory.store,
    [{ reference: target(name), digest, whole: true }],
    new Date(now.getTime() - days * 86_400_000),
  );
const isDue = async (name = 'plugins/cache:1') => (await readLooks(factory.store)).isDue(target(name), digest, 1, now);
const looked = () => factory.target.requests.filter(({ path }) => path.includes('/blobs/')).length > 0;

describe('an image that is at the registry', () => {
  it.each<[string, number, Record<string, unknown>, boolean]>([
    ['is looked at when the last look is too old', 7, {}, true],
    ['is left alone when the last look is not', 6, {}, false],
    ['is looked at when only its referrers are copied', 7, { status: 'copy', present: true }, true],
    ['is left alone when it is copied as a whole', 7, { status: 'copy' }, false],
    ['is left alone when no source has it', 7, { status: 'failed' }, false],
  ])('an image at the registry %s', async (_, days, more, expected) => {
    await seen(days);
    await plan([found('plugins/cache:1', more)]);
    expect([looked(), await isDue()]).toEqual([expected, !expected]);
  });

  it('checks an image that Harness may be switched to, no matter when the last check was', async () => {
    await seen(1);
    await plan([found('plugins/cache:1')], { switched: new Set(['plugins/cache:1']) });
    expect(looked()).toBe(true);
  });

  it('does not check an image that is not at the registry yet', async () => {
    await plan([found('plugins/cache:1', { status: 'copy' })], { switched: new Set(['plugins/cache:1']) });
    expect(looked()).toBe(false);
  });

  it('leaves a complete image as planned', async () => {
    const whole = found('plugins/cache:1');
    expect(await plan([whole])).toEqual({ held: [], warnings: [] });
    expect(whole).toEqual(found('plugins/cache:1'));
    expect(await isDue()).toBe(false);
  });

  it('plans to copy the missing pieces from a source, and the next run checks the image again', async () => {
    await seen(7);
    lose();
    const broken = found('plugins/cache:1', { status: 'copy', present: true });
    expect(await plan([broken])).toEqual({ held: [], warnings: [] });
    expect(broken.planned).toEqual({
      ...found('plugins/cache:1').planned,
      status: 'copy',
      source: parseReference(`${factory.source.host}/plugins/cache:1`),
      missing: [lostBlob],
    });
    expect(broken.image?.root.digest).toBe(digest);
    expect(await isDue()).toBe(true);
  });
});

describe('an image that no source can mend', () => {
  beforeEach(() => void lose());
  const mended = async (sources = [factory.source.host], prepare?: (runtime: Runtime) => void) => {
    const broken = found('plugins/cache:1');
    const { error } = await plan([broken], { sources: sources.map(parseRegistryLocation) }, prepare);
    const { planned } = broken;
    return { ...planned, error: planned.status === 'failed' ? planned.error : undefined, thrown: error };
  };

  it('fails an image that no source can repair, with the missing pieces and the sources tried', async () => {
    factory.source.storage.deleteBlob('plugins/cache', lost);
    const { status, missing, error } = await mended([factory.source.host, `${factory.source.host}/other`]);
    expect({ status, missing, error }).toMatchObject({
      status: 'failed',
      missing: [lostBlob],
      error: {
        name: 'ImagesIncomplete',
        message: `${target('plugins/cache:1')} lacks blob ${lost}; no source has all of these pieces (${factory.source.host})`,
        hint: 'Restore it at the registry from a backup, or pin a version that a source still has.',
      },
    });
  });

  it('plans another build of an incomplete image that a template built', async () => {
    const template = 'arn:aws:lambda:eu-west-1:123456789012:function:build';
    await start({ environment: { BUILD_PUSH_TEMPLATE: template } });
    lose();
    factory.source.storage.deleteBlob('plugins/cache', lost);
    expect((await mended()).error?.hint).toContain('BUILD_PUSH_TEMPLATE builds the image again');
  });

  it.each([
    ['a source does not know it', 404, 'ImagesIncomplete'],
    ['a source does not let it be read', 403, 'ImagesIncomplete'],
    ['a source fails', 503, 'RegistryFailed'],
  ])('reports the reason when %s (HTTP %d: %s)', async (_, status, name) => {
    for (const key of await factory.store.list('manifests/')) await factory.store.put(key, Buffer.from('damaged'));
    factory.source.faults.add({ match: { times: 99 }, act: { status } });
    const { error } = await mended();
    expect(error?.name).toBe(name);
    expect(error?.message).toContain(`${target('plugins/cache:1')} lacks blob ${lost}`);
  });

  it('copies the missing pieces from the second source when the first fails', async () => {
    put('backup/plugins/cache:1');
    factory.source.faults.add({ match: { path: /^\/v2\/plugins/, times: 99 }, act: { status: 503 } });
    const { status, source } = await mended([factory.source.host, `${factory.source.host}/backup`]);
    expect([status, source && formatReference(source)]).toEqual([
      'copy',
      `${factory.source.host}/backup/plugins/cache:1`,
    ]);
  });

  it('ends the plan when the factory has a bug', async () => {
    const bug = new TypeError('a bug');
    const original = factory.source.host;
    const { thrown } = await mended([original], (runtime) => {
      const registry = runtime.registry.bind(runtime);
      runtime.registry = (name) => {
        if (name === original) throw bug;
        return registry(name);
      };
    });
    expect(thrown).toBe(bug);
  });
});

describe('an image that cannot be checked', () => {
  it.each([
    [['1'], ''],
    [['1', '2'], ' and 1 more'],
    [['1', '2', '3'], ' and 2 more'],
  ])('warns once about images that cannot be checked, however many there are: %j', async (versions, more) => {
    factory.target.faults.add({ match: { path: /blobs/, times: 99 }, act: { status: 503 } });
    for (const version of versions) put(`plugins/cache:${version}`);
    const { warnings } = await plan(versions.map((version) => found(`plugins/cache:${version}`)));
    expect(warnings).toEqual([
      expect.stringMatching(new RegExp(`^.*/plugins/cache:\\d${more} could not be checked: .*503`)),
    ]);
    expect(await isDue()).toBe(true);
  });
});

describe('a version that an override names and the run does not plan', () => {
  it('repairs an incomplete version that an override names, and leaves a complete one out of the plan', async () => {
    expect(await plan([], { inUse: [target('plugins/cache:1')] })).toEqual({ held: [], warnings: [] });
    expect(await isDue()).toBe(false);
    lose();
    await seen(7);
    const { held } = await plan([], { inUse: [target('plugins/cache:1')] });
    expect(held.map(({ planned }) => planned)).toEqual([
      {
        image: 'plugins/cache:1',
        target: parseReference(target('plugins/cache:1')),
        held: true,
        digest,
        status: 'copy',
        missing: [lostBlob],
        source: parseReference(`${factory.source.host}/plugins/cache:1`),
      },
    ]);
  });

  it('repairs a version at a registry without a prefix', async () => {
    await start({ environment: {}, prefix: '' });
    const name = `${factory.target.host}/plugins/cache:1`;
    factory.target.storage.putImage('plugins/cache', '1', image);
    factory.target.storage.deleteBlob('plugins/cache', lost);
    const registry = parseRegistryLocation(factory.target.host);
    const { held } = await plan([], { inUse: [name], registry });
    expect(held.map(({ planned }) => [planned.image, planned.status])).toEqual([['plugins/cache:1', 'copy']]);
  });

  it('leaves a version alone that the run plans anyway, or that was checked lately', async () => {
    lose();
    expect(
      (await plan([found('plugins/cache:1', { status: 'failed' })], { inUse: [target('plugins/cache:1')] })).held,
    ).toEqual([]);
    await seen(6);
    expect((await plan([], { inUse: [target('plugins/cache:1')] })).held).toEqual([]);
  });

  it.each<[string, () => Partial<RepairSettings>]>([
    [
      'that the inventory knows',
      () => ({ inUse: [target('plugins/cache:1')], inventory: { [target('plugins/cache:1')]: digest } }),
    ],
    ['that the override names', () => ({ inUse: [`${target('plugins/cache:1')}@${digest}`] })],
  ])('restores a version under the digest %s when its tag is gone', async (_, settings) => {
    factory.target.storage.deleteManifest(at('plugins/cache'), digest);
    const { held } = await plan([], settings());
    expect(held.map(({ planned }) => planned)).toMatchObject([{ digest, status: 'copy' }]);
    expect(held[0]?.planned.missing?.[0]).toEqual({ kind: 'manifest', digest });
  });

  it('reports a version whose digest is unknown', async () => {
    const { held } = await plan([], { inUse: [target('plugins/gone:2'), target('plugins/gone:1')] });
    expect(held.map(({ planned }) => planned)).toEqual(
      [1, 2].map((version) => ({
        image: `plugins/gone:${version}`,
        target: parseReference(target(`plugins/gone:${version}`)),
        held: true,
        status: 'failed',
        error: {
          name: 'ImagesIncomplete',
          message: `${target(`plugins/gone:${version}`)} is not at the registry, and an override names it`,
          hint: 'Reset the field, or copy the version again with sync and "pins".',
        },
      })),
    );
  });
});

it('ends the plan when the factory has a bug', async () => {
  const error = new TypeError('a bug');
  const thrown = await plan([found('plugins/cache:1')], {}, (runtime) => {
    runtime.manifests.through = async () => Promise.reject(error);
  });
  expect(thrown.error).toBe(error);
  const failure = new FactoryError('StoreFailed', 'disk full', { hint: '' });
  const { warnings } = await plan([found('plugins/cache:1')], {}, (runtime) => {
    runtime.manifests.through = async () => Promise.reject(failure);
  });
  expect(warnings).toEqual([`${target('plugins/cache:1')} could not be checked: disk full`]);
});
