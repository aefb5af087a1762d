import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FactoryError } from '../../functions/errors.ts';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { parseRegistryLocation } from '../../functions/oci/spec/reference.ts';
import type { Registry } from '../../functions/oci/registry/registry.ts';
import { prune } from '../../functions/prune/prune.ts';
import type { UnusedImage } from '../../functions/state/documents.ts';
import { readInventory } from '../../functions/state/inventory.ts';
import type { RepositoryAdministration } from '../../functions/oci/registry/repository-administration.ts';
import type { TaskRun } from '../../functions/runtime/task-run.ts';
import type { Image } from '../../infra/local/embedded/registry/storage.ts';
import { indexOf, storedImage } from '../oci/stored-images.ts';
import { type Factory, startFactory } from '../tasks/factory.ts';
import { planOf } from '../tasks/stage.ts';

/** The task alone, on the plan and the inventory as the tasks before it leave them. */

const runId = 'run-1';
const repository = 'mirror/plugins/cache';
const [one, two] = ['1', '2'].map((content) => storedImage([Buffer.from(content)])) as [Image, Image];

let factory: Factory;
beforeEach(() => start());
afterEach(() => factory.close());

/** Starts with the copies 1 and 2 at the registry. */
async function start(repositories: Partial<RepositoryAdministration> = {}): Promise<void> {
  await factory?.close();
  factory = await startFactory({ samples: {}, repositories });
  factory.target.storage.putImage(repository, '1', one);
  factory.target.storage.putImage(repository, '2', two);
}

const copyOf = (tag: string) => factory.copyOf(`plugins/cache:${tag}`);
const tags = () => factory.target.storage.tags(repository).toSorted();
const digests = () => factory.target.storage.manifests(repository).map(({ digest }) => digest);
const deletions = () => factory.target.requests.filter(({ method }) => method === 'DELETE').length;

interface Options {
  lock?: boolean;
  act?: (task: TaskRun) => Promise<void>;
}

interface Outcome {
  deleted: number;
  /** Outcomes by tag: the action, and the reason to keep it. */
  rows: Record<string, string>;
  /** Tags of the copies that the factory still takes for its own. */
  inventory: string[];
  error?: FactoryError;
}

/** Prunes what the plan found unused, by tag. */
async function run(unused: Record<string, Image>, { lock = true, act }: Options = {}): Promise<Outcome> {
  const tagOf = (reference: string) => reference.slice(copyOf('').length);
  const copies = Object.entries(unused).map(([tag, { digest }]): UnusedImage => ({
    reference: copyOf(tag),
    digest: digest as Digest,
  }));
  const known = copies.map(({ reference, digest }) => [reference, digest]);
  await factory.store.put('inventory.json', Buffer.from(JSON.stringify(Object.fromEntries(known))));
  return factory.task(async (_, task) => {
    const { runtime } = task;
    if (lock) await runtime.lock.take({ runId, action: 'sync' }, (await runtime.harness()).accountId);
    const documents = runtime.run(runId);
    const registry = parseRegistryLocation(factory.registry);
    await documents.plan.put(planOf({ runId, registry, unused: copies }));
    await act?.(task);
    const result = await prune({ runId }, task).catch((error: unknown) => ({
      deleted: 0,
      error: error as FactoryError,
    }));
    const rows = ((await documents.pruned.find()) ?? []).map(({ reference, status, reason }) => {
      return [tagOf(reference), [status, ...(reason === undefined ? [] : [reason])].join(': ')];
    });
    const left = await readInventory(factory.store);
    return { ...result, rows: Object.fromEntries(rows), inventory: Object.keys(left).map(tagOf) };
  }, undefined);
}

describe('a prune', () => {
  it('does nothing, and needs no lock, when nothing is unused', async () => {
    expect(await run({}, { lock: false })).toEqual({ deleted: 0, rows: {}, inventory: [] });
    expect([factory.harness.requests, factory.target.requests]).toEqual([[], []]);
  });

  it('deletes nothing after another run has taken the lock', async () => {
    const { error, inventory } = await run({ 1: one }, { lock: false });
    expect([error?.name, inventory, tags(), deletions()]).toEqual(['LockLost', ['1'], ['1', '2'], 0]);
  });

  it('deletes the digest of a copy, with one request, and forgets it', async () => {
    expect(await run({ 1: one })).toEqual({ deleted: 1, rows: { 1: 'deleted' }, inventory: [] });
    expect([tags(), digests(), deletions()]).toEqual([['2'], [two.digest], 1]);
  });

  it('leaves what an override names by now', async () => {
    Object.assign(factory.harness.state[factory.harness.accountId]?.ci ?? {}, { VM: { a: copyOf('1') } });
    expect(await run({ 1: one, 2: two })).toEqual({ deleted: 1, rows: { 2: 'deleted' }, inventory: ['1'] });
    expect(tags()).toEqual(['1']);
  });

  it('keeps what an image in use leads to', async () => {
    factory.target.storage.putImage(repository, '5', indexOf([one]));
    Object.assign(factory.harness.state[factory.harness.accountId]?.ci ?? {}, { VM: { a: copyOf('5') } });
    const rows = { 1: 'kept: an image that is kept refers to it', 2: 'deleted' };
    expect(await run({ 1: one, 2: two })).toEqual({ deleted: 1, rows, inventory: ['1'] });
    expect(tags()).toEqual(['1', '5']);
  });

  it('forgets a copy whose tag is another image by now', async () => {
    factory.target.storage.tag(repository, '1', two.digest);
    factory.target.storage.tag(repository, 'theirs', one.digest);
    const rows = { 1: 'kept: its tag now points at another image' };
    expect(await run({ 1: one })).toEqual({ deleted: 0, rows, inventory: [] });
    expect(tags()).toEqual(['1', '2', 'theirs']);
  });

  it('deletes a copy whose tag somebody deleted', async () => {
    factory.target.storage.deleteTag(repository, '1');
    expect(await run({ 1: one })).toEqual({ deleted: 1, rows: { 1: 'deleted' }, inventory: [] });
    expect(digests()).toEqual([two.digest]);
  });

  it('deletes tags first where a registry refuses a digest that has some', async () => {
    factory.target.quirks.tagsFirst = true;
    const act = async ({ runtime }: TaskRun) => runtime.registry(factory.target.host).adapt({ tagsFirst: true }, '');
    expect(await run({ 1: one }, { act })).toMatchObject({ rows: { 1: 'deleted' } });
    expect(digests()).toEqual([two.digest]);
  });
});

describe('a repository whose tags are not all known', () => {
  it.each([
    ['are not listed', { status: 403 }, 'HTTP 403'],
    ['are listed in part', { status: 200, body: '{"tags":["2"]}' }, 'omits the tag 1 from its list of tags'],
  ])('loses nothing when they %s', async (_, act, reason) => {
    factory.target.faults.add({ match: { path: /tags\/list/, times: 9 }, act });
    const { deleted, rows, inventory } = await run({ 1: one });
    expect([deleted, inventory, tags()]).toEqual([0, ['1'], ['1', '2']]);
    expect(rows['1']).toMatch(new RegExp(`^kept: the other tags of ${repository} cannot be read: .*${reason}`));
  });

  it.each<[string, Error]>([
    ['the state cannot be read', new FactoryError('StoreFailed', 'disk full', { hint: '' })],
    ['the factory has a bug', new TypeError('a bug')],
  ])('ends the prune when %s', async (_, error) => {
    await start({ tags: async () => Promise.reject(error) });
    expect((await run({ 1: one })).error).toBe(error);
    expect(tags()).toEqual(['1', '2']);
  });
});

describe('a tag that shares its digest with one that stays', () => {
  const shared = (other = 'theirs') =>
    `kept: the tag ${other} has the same digest, and ${factory.target.host} does not delete tags alone`;
  beforeEach(() => factory.target.storage.tag(repository, 'theirs', one.digest));

  it('deletes the tag alone', async () => {
    expect(await run({ 1: one })).toEqual({ deleted: 1, rows: { 1: 'untagged' }, inventory: [] });
    expect(tags()).toEqual(['2', 'theirs']);
  });

  it('keeps the tag where the registry does not delete tags alone', async () => {
    factory.target.quirks.deleteTag = 'refused';
    expect(await run({ 1: one })).toEqual({ deleted: 0, rows: { 1: shared() }, inventory: ['1'] });
    expect(tags()).toEqual(['1', '2', 'theirs']);
  });

  it('keeps the tag when the registry only claims to have deleted it', async () => {
    factory.target.faults.add({ match: { method: 'DELETE' }, act: { status: 202 } });
    expect(await run({ 1: one })).toEqual({ deleted: 0, rows: { 1: shared() }, inventory: ['1'] });
  });

  it('keeps the tag when its manifest cannot be read, since it could not be restored', async () => {
    factory.target.faults.add({ match: { method: 'GET', path: /manifests\//, times: 9 }, act: { status: 404 } });
    expect(await run({ 1: one })).toEqual({ deleted: 0, rows: { 1: shared() }, inventory: ['1'] });
    expect(deletions()).toBe(0);
  });

  it('takes the others along at some registries: they are restored, and that is remembered', async () => {
    factory.target.quirks.deleteTag = 'manifest';
    factory.target.storage.tag(repository, 'theirs-too', one.digest);
    const found: { registry?: Registry } = {};
    const act = async ({ runtime }: TaskRun) => void (found.registry = runtime.registry(factory.target.host));
    const rows = { 1: `untagged: ${factory.target.host} also deleted theirs, theirs-too; restored` };
    expect(await run({ 1: one }, { act })).toEqual({ deleted: 1, rows, inventory: [] });
    expect(tags()).toEqual(['2', 'theirs', 'theirs-too']);
    expect(found.registry?.profile.deletesTags).toBe(false);
    expect(digests()).toContain(one.digest);
  });
});

describe('a registry with an API of its own', () => {
  let calls: string[];
  let refusals: Map<string, string>;
  beforeEach(async () => {
    [calls, refusals] = [[], new Map()];
    await start({
      tags: async () => new Map(tags().map((tag) => [tag, factory.target.storage.resolve(repository, tag) as Digest])),
      deleteImages: async (_, __, references) => {
        calls.push(...references);
        return refusals;
      },
    });
  });

  it('deletes an index before its children', async () => {
    const index = indexOf([one]);
    factory.target.storage.putImage(repository, '3', index);
    expect((await run({ 1: one, 3: index, 2: two })).rows).toEqual({ 1: 'deleted', 2: 'deleted', 3: 'deleted' });
    expect(calls).toEqual([index.digest, one.digest, two.digest]);
    expect(factory.target.requests.filter(({ path }) => path.includes('tags/list'))).toEqual([]);
  });

  it('keeps what the registry refuses to delete, with the reason', async () => {
    refusals.set(one.digest, 'an index refers to it');
    const rows = { 1: 'kept: an index refers to it', 2: 'deleted' };
    expect(await run({ 1: one, 2: two })).toEqual({ deleted: 1, rows, inventory: ['1'] });
  });

  it('deletes a tag alone when another tag shares its digest', async () => {
    factory.target.storage.tag(repository, 'theirs', one.digest);
    expect(await run({ 1: one })).toMatchObject({ rows: { 1: 'untagged' } });
    expect([calls, deletions()]).toEqual([['1'], 0]);
  });
});
