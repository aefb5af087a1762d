import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ConfigScope } from '../../functions/harness/scope.ts';
import { parseRegistryLocation } from '../../functions/oci/spec/reference.ts';
import { findUnusedImages } from '../../functions/plan/unused-images.ts';
import type { FieldChange, Plan, PlannedImage } from '../../functions/state/documents.ts';
import { readInventory } from '../../functions/state/inventory.ts';
import type { Image } from '../../infra/local/embedded/registry/storage.ts';
import { indexOf, storedImage } from '../oci/stored-images.ts';
import { type Factory, startFactory } from '../tasks/factory.ts';
import { imageOf } from '../tasks/stage.ts';

const repository = 'mirror/plugins/cache';
const images = Object.fromEntries(
  ['1', '2', '3', '4'].map((version) => [version, storedImage([Buffer.from(version)])]),
) as Record<'1' | '2' | '3' | '4', Image>;

let factory: Factory;
beforeEach(async () => {
  factory = await startFactory({ samples: {} });
  for (const [version, image] of Object.entries(images)) factory.target.storage.putImage(repository, version, image);
  await inventory({ 1: images['1'], 2: images['2'] });
});
afterEach(() => factory.close());

const copyOf = (version: string) => factory.copyOf(`plugins/cache:${version}`);
const k8 = { module: 'ci', infrastructureType: 'K8' } as const;

function overrides(values: Record<string, string>): void {
  Object.assign(factory.harness.state[factory.harness.accountId]?.ci ?? {}, { K8: values });
}

/** Copies that the factory made, by tag. */
async function inventory(copies: Record<string, Image>, more: Record<string, string> = {}): Promise<void> {
  const entries = Object.entries(copies).map(([version, { digest }]) => [copyOf(version), digest]);
  await factory.store.put('inventory.json', Buffer.from(JSON.stringify({ ...Object.fromEntries(entries), ...more })));
}

/** A run of the past that found these overrides and wrote these values. */
async function ran(
  runId: string,
  takenAt: string,
  found: Record<string, string>,
  wrote: (string | null)[] | undefined = [],
  { accountId = 'embedded', scope = k8 }: { accountId?: string; scope?: ConfigScope } = {},
): Promise<void> {
  await factory.task(async (_, { runtime }) => {
    const documents = runtime.run(runId);
    await documents.snapshot.put({ runId, accountId, takenAt, scopes: [{ ...scope, overrides: found }] });
    const changes = wrote?.map((to, i): FieldChange => ({ ...scope, field: `f${i}`, from: null, to }));
    if (changes) await documents.changes.put({ changes, held: [] });
  }, undefined);
}

function planned(version: string, more: Record<string, unknown> = {}): PlannedImage {
  const image = `plugins/cache:${version}`;
  return imageOf({ image, target: copyOf(version), digest: images['3'].digest, status: 'current', ...more });
}

/** Versions, and other references, that nothing uses. */
async function unused(plan: Partial<Plan> = {}, keepVersions = 1): Promise<string[]> {
  return factory.task(async (_, { runtime }) => {
    const registry = parseRegistryLocation(factory.registry);
    const whole = { runId: 'now', registry, images: [], kept: [], ...plan } as unknown as Plan;
    const found = await findUnusedImages(whole, keepVersions, [], { runtime });
    const known = await readInventory(factory.store);
    for (const { reference, digest } of found) expect(digest).toBe(known[reference]);
    return found.map(({ reference }) => reference.replace(copyOf(''), ''));
  }, undefined);
}

describe('copies are unused', () => {
  it('finds copies that nothing names', async () => {
    expect(await unused()).toEqual(['1', '2']);
  });

  it('finds only copies of the factory at the registry of the plan', async () => {
    await inventory({ 1: images['1'] }, { 'other.example/mirror/plugins/cache:9': images['4'].digest });
    expect(await unused()).toEqual(['1']);
  });

  it('sends no request when there are no candidates', async () => {
    await inventory({});
    factory.target.requests.length = 0;
    overrides({ a: copyOf('1') });
    expect(await unused()).toEqual([]);
    expect(factory.target.requests).toEqual([]);
  });

  it('finds the one unused copy among many', async () => {
    await inventory({ 1: images['1'] });
    expect(await unused()).toEqual(['1']);
  });
});

describe('copies stay', () => {
  it.each<[string, () => Partial<Plan> | void]>([
    ['an override names them', () => overrides({ a: copyOf('1') })],
    ['the plan leaves a field on them', () => ({ kept: [{ ...k8, field: 'a', value: copyOf('1') }] })],
    ['the plan switches to them', () => ({ images: [planned('1')] })],
    [
      'an index in use leads to them',
      () => {
        factory.target.storage.putImage(repository, '5', indexOf([images['1']]));
        overrides({ a: copyOf('5') });
      },
    ],
  ])('while %s', async (_, use) => {
    expect(await unused(use() ?? {})).toEqual(['2']);
  });

  it('treats copies as unused although the plan keeps fields without an override', async () => {
    expect(await unused({ kept: [{ ...k8, field: 'a', value: null }] })).toEqual(['1', '2']);
  });
});

describe('the tag of a copy whose digest is in use', () => {
  beforeEach(async () => {
    // Version 4 is version 1 again, bit for bit, and in use.
    factory.target.storage.tag(repository, '4', images['1'].digest);
    overrides({ a: copyOf('4') });
  });

  it('counts the tag as unused where the registry deletes tags alone', async () => {
    expect(await unused()).toEqual(['1', '2']);
  });

  it('counts the tag as unused when the plan stores the digest under a new tag', async () => {
    overrides({});
    factory.target.storage.deleteTag(repository, '4');
    const images5 = [planned('5', { digest: images['1'].digest })];
    expect(await unused({ images: images5 })).toEqual(['1', '2']);
  });

  it('stays where it does not', async () => {
    await factory.task(async (_, { runtime }) => {
      const registry = parseRegistryLocation(factory.registry);
      runtime.registry(registry.registry).adapt({ deletesTags: false }, '');
      const plan = { runId: 'now', registry, images: [], kept: [] } as unknown as Plan;
      const found = await findUnusedImages(plan, 1, [], { runtime });
      expect(found.map(({ reference }) => reference)).toEqual([copyOf('2')]);
    }, undefined);
  });

  it('finds no unused tag for a copy that is stored under its digest alone', async () => {
    const byDigest = `${factory.registry}/plugins/cache@${images['1'].digest}`;
    await inventory({ 2: images['2'] }, { [byDigest]: images['1'].digest });
    expect(await unused()).toEqual(['2']);
  });

  it('stays when only an index in use leads to the digest', async () => {
    factory.target.storage.putImage(repository, '4', indexOf([images['1']]));
    expect(await unused()).toEqual(['2']);
  });
});

describe('the versions one can go back to', () => {
  it('keeps the versions that the last runs found, and those that they wrote', async () => {
    await inventory(images);
    await ran('a', '2026-01-02T00:00:00Z', { a: copyOf('1') }, [copyOf('2')]);
    await ran('b', '2026-01-03T00:00:00Z', { a: copyOf('2') }, [copyOf('3'), null]);
    await ran('c', '2026-01-01T00:00:00Z', { a: copyOf('4') });
    expect(await unused({}, 1)).toEqual(['1', '4']);
    expect(await unused({}, 2)).toEqual(['4']);
    expect(await unused({}, 3)).toEqual([]);
  });

  it('keeps the versions of every account that shares the state', async () => {
    await ran('mine', '2026-01-02T00:00:00Z', { a: copyOf('2') });
    await ran('theirs', '2026-01-01T00:00:00Z', { a: copyOf('1') }, [], { accountId: 'another' });
    expect(await unused({}, 1)).toEqual([]);
  });

  it('keeps the versions of each scope, although later runs wrote to another one alone', async () => {
    await inventory(images);
    const vm = { accountId: 'another', scope: { module: 'ci', infrastructureType: 'VM' } as const };
    await ran('a', '2026-01-01T00:00:00Z', { a: copyOf('1') }, [copyOf('2')], vm);
    await ran('b', '2026-01-02T00:00:00Z', { a: copyOf('3') }, [copyOf('4')], { accountId: 'another' });
    await ran('c', '2026-01-03T00:00:00Z', { a: copyOf('4') }, [copyOf('4')], { accountId: 'another' });
    expect(await unused({}, 1)).toEqual(['3']);
  });

  it('counts of a run that wrote to two scopes only the changes of the scope whose last run it is', async () => {
    await inventory(images);
    await factory.task(async (_, { runtime }) => {
      const documents = runtime.run('both');
      const vm = { module: 'ci', infrastructureType: 'VM' } as const;
      const scopes = [
        { ...k8, overrides: { a: copyOf('1') } },
        { ...vm, overrides: {} },
      ];
      await documents.snapshot.put({ runId: 'both', accountId: 'embedded', takenAt: '2026-01-01T00:00:00Z', scopes });
      const changes = [
        { ...k8, field: 'a', from: copyOf('1'), to: copyOf('2') },
        { ...vm, field: 'a', from: null, to: copyOf('3') },
      ];
      await documents.changes.put({ changes, held: [] });
    }, undefined);
    await ran('later', '2026-01-02T00:00:00Z', { a: copyOf('4') });
    expect(await unused({}, 1)).toEqual(['1', '2']);
  });

  it('keeps the versions of a run that ended before it stored its changes', async () => {
    await ran('stopped', '2026-01-02T00:00:00Z', { a: copyOf('2') }, undefined);
    expect(await unused({}, 1)).toEqual(['1']);
  });
});
