import { beforeEach, describe, expect, it } from '@jest/globals';
import { builtDigest } from '../../functions/state/built-images.ts';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { noteFirstSeen } from '../../functions/state/first-seen.ts';
import { changeInventory, readInventory } from '../../functions/state/inventory.ts';
import { lockSchema } from '../../functions/state/lock.ts';
import { getJson } from '../../functions/state/object-store.ts';
import { readRefusedFields } from '../../functions/state/refused-fields.ts';
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

/** Every kind of document: its key, how it is read, and the beginning of the advice for one that is damaged. */
const kinds: [key: string, read: () => Promise<unknown>, cure: string][] = [
  ['inventory.json', () => readInventory(store), 'Restore it from a backup, or delete it.'],
  ['first-seen.json', () => noteFirstSeen(store, [], new Date()), 'Delete it.'],
  ['refused-fields.json', () => readRefusedFields(store), 'Delete it.'],
  ['locks/account.json', () => getJson(store, 'locks/account.json', lockSchema), 'Delete it when no run is at work'],
  ['runs/run-1/plan.json', () => run().plan.get(), 'Start the run again'],
  ['runs/run-1/changes.json', () => run().changes.get(), 'Start the run again'],
  ['runs/run-1/snapshot.json', () => run().snapshot.get(), 'Restore the document from a backup'],
  [
    'built/ef8cbb6aedd3c6b6d1b9cc7fe7f0b6ebd4ef5ad3c9ab2aaf4ad92d5c51ae6c4b.json',
    () => builtDigest(store, 'target', built),
    'Delete it.',
  ],
];

describe.each(kinds)('%s', (name, read, cure) => {
  let key = name;
  beforeEach(() => {
    // The key of a build is a hash that the store alone gets to see.
    store.get = async (asked) => {
      key = asked;
      return store.objects.get(name);
    };
  });

  it('refuses a version of a later release by name', async () => {
    await write(name, { version: 2 });
    await expect(read()).rejects.toMatchObject({
      name: 'StoreFailed',
      message: expect.stringMatching(/ in the object store has version 2, and this release reads versions up to 1$/),
      hint: 'Use the release that wrote it, or a newer one.',
    });
  });

  it.each([{ version: 1 }, { version: -1 }, [], 'text', 7, { a: 1 }])('refuses damage: %j', async (damaged) => {
    await write(name, damaged);
    await expect(read()).rejects.toMatchObject({
      name: 'StoreFailed',
      message: expect.stringContaining(`${key} in the object store is damaged: `),
      hint: expect.stringContaining(cure),
    });
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
      message: 'inventory.json in the object store is damaged: copies.reg.example/a:1: not a sha256 or sha512 digest',
    });
  });

  it('reads null for a free lock', async () => {
    await write('locks/account.json', null);
    expect(await getJson(store, 'locks/account.json', lockSchema)).toBeNull();
  });
});
