import { beforeEach, describe, expect, it } from '@jest/globals';
import { builtDigest } from '../../functions/state/built-images.ts';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { checkpointOf } from '../../functions/state/checkpoints.ts';
import { parseReference } from '../../functions/oci/spec/reference.ts';
import { readFirstSeen } from '../../functions/state/first-seen.ts';
import { changeInventory, readInventory } from '../../functions/state/inventory.ts';
import { lockSchema } from '../../functions/state/lock.ts';
import { getJson } from '../../functions/state/object-store.ts';
import { readRefusedFields } from '../../functions/state/refused-fields.ts';
import { readWrittenValues } from '../../functions/state/written-values.ts';
import { RunDocuments } from '../../functions/state/run-documents.ts';
import { planOf } from '../tasks/stage.ts';
import { MemoryStore } from './memory-store.ts';

let store: MemoryStore;
beforeEach(() => {
  store = new MemoryStore();
});

const run = () => new RunDocuments(store, 'run-1');
const digest = `sha256:${'a'.repeat(64)}` as Digest;
const built = { template: 'arn', source: digest };
const write = (key: string, value: unknown) => store.put(key, Buffer.from(JSON.stringify(value)));

/** Every document of a run whose damage is an error: its name, its content, and the beginning of the advice. */
const ofRun = {
  plan: () => run().plan,
  changes: () => run().changes,
  lock: () => run().lock,
  config: () => run().config,
  writes: () => run().writes,
  verified: () => run().verified,
  rollback: () => run().rollback,
  recovery: () => run().recovery,
  told: () => run().told,
  phases: () => run().phases,
  scans: () => run().scans,
  pruned: () => run().pruned,
  incomplete: () => run().incomplete,
  report: () => run().report,
  'images/7': () => run().copyResult(7),
  'images/7-build': () => run().build(7),
};

/** Every kind of document: its key, how it is read, and the beginning of the advice for one that is damaged. */
const kinds: [key: string, read: () => Promise<unknown>, cure: string, version?: number][] = [
  ['inventory.json', () => readInventory(store), 'Restore it from a backup, or delete it.'],
  ['first-seen.json', () => readFirstSeen(store), 'Delete it.', 2],
  ['refused-fields.json', () => readRefusedFields(store), 'Delete it.'],
  ['written-values.json', () => readWrittenValues(store, 'account'), 'Restore it from a backup, or delete it.'],
  ['locks/account.json', () => getJson(store, 'locks/account.json', lockSchema), 'Delete it when no run is at work'],
  ['runs/run-1/snapshot.json', () => run().snapshot.get(), 'Restore the document from a backup'],
  ...Object.entries(ofRun).map(([name, document]): [string, () => Promise<unknown>, string] => [
    `runs/run-1/${name}.json`,
    () => document().find(),
    'Start the run again, or delete the folder of the run.',
  ]),
  [
    'built/ef8cbb6aedd3c6b6d1b9cc7fe7f0b6ebd4ef5ad3c9ab2aaf4ad92d5c51ae6c4b.json',
    () => builtDigest(store, 'target', built),
    'Delete it.',
  ],
];

describe.each(kinds)('%s', (name, read, cure, version = 1) => {
  let key = name;
  beforeEach(() => {
    // The key of a build is a hash that the store alone gets to see.
    const find = async (asked: string) => {
      key = asked;
      return store.objects.get(name);
    };
    store.get = find;
    store.update = async (asked, change) => {
      change(await find(asked));
      return true;
    };
  });

  it('refuses a version of a later release by name', async () => {
    await write(name, { version: version + 1 });
    await expect(read()).rejects.toMatchObject({
      name: 'StoreFailed',
      message: `memory:${key} has version ${version + 1}, and this release reads versions up to ${version}`,
      hint: 'Use the release that wrote it, or a newer one.',
    });
  });

  it.each([{ version: 1 }, { version: -1 }, { version: '1' }, 'text', 7, { a: 1 }, [{ a: 1 }]])(
    'refuses damage: %j',
    async (damaged) => {
      await write(name, damaged);
      await expect(read()).rejects.toMatchObject({
        name: 'StoreFailed',
        message: expect.stringContaining(`memory:${key} is damaged: `),
        hint: expect.stringContaining(cure),
      });
    },
  );

  it('refuses a document that was cut off', async () => {
    await store.put(name, Buffer.from('{"version": 1, "runI'));
    await expect(read()).rejects.toMatchObject({
      name: 'StoreFailed',
      message: `memory:${key} is damaged: it is not JSON`,
      hint: expect.stringContaining(cure),
    });
  });
});

describe.each([
  ['the state of a copy', () => run().copyState(7).find()],
  ['a checkpoint', () => checkpointOf(store, parseReference('reg.example/a:1'), digest).find()],
])('%s', (_, read) => {
  it.each(['{"version": 2}', '[]', '{"a', 'null', '"text"'])('counts as missing when it reads %s', async (damaged) => {
    store.get = async () => Buffer.from(damaged);
    expect(await read()).toBeUndefined();
  });
});

describe('a stored document', () => {
  it('stores a version with each document', async () => {
    await run().plan.put(planOf());
    await changeInventory(store, (copies) => (copies['reg.example/a:1'] = digest));
    const stored = (key: string): unknown => JSON.parse(Buffer.from(store.objects.get(key) ?? []).toString());
    expect(stored('runs/run-1/plan.json')).toEqual({ version: 1, ...planOf() });
    expect(stored('inventory.json')).toEqual({ version: 1, copies: { 'reg.example/a:1': digest } });
  });

  it('returns a document without its version, with keys that its schema does not name', async () => {
    await write('runs/run-1/plan.json', { version: 1, ...planOf(), later: true });
    expect(await run().plan.get()).toEqual({ ...planOf(), later: true });
  });

  it('names the place of the damage', async () => {
    await write('inventory.json', { version: 1, copies: { 'reg.example/a:1': 'sha256:12' } });
    await expect(readInventory(store)).rejects.toMatchObject({
      message: 'memory:inventory.json is damaged: reg.example/a:1: not a sha256 or sha512 digest',
    });
  });

  it('reads first sightings of the first version, which had no fields', async () => {
    const images = { [`harness/a:1@${digest}`]: '2026-01-01T00:00:00.000Z' };
    await write('first-seen.json', { version: 1, images });
    expect(await readFirstSeen(store)).toEqual({ images, fields: {} });
    await write('first-seen.json', images);
    expect(await readFirstSeen(store)).toEqual({ images, fields: {} });
  });

  it('reads null for a free lock', async () => {
    await write('locks/account.json', null);
    expect(await getJson(store, 'locks/account.json', lockSchema)).toBeNull();
  });
});
