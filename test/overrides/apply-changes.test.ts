import { beforeEach, describe, expect, it } from '@jest/globals';
import { type ErrorName, FactoryError } from '../../functions/errors.ts';
import { applyChanges } from '../../functions/overrides/apply-changes.ts';
import type { ConfigResult, FieldChange, KeptField } from '../../functions/state/documents.ts';
import { noteRefusedFields, readRefusedFields } from '../../functions/state/refused-fields.ts';
import type { Action } from '../../functions/settings/input-schema.ts';
import { accountId, change, planOf, runId, setStage, type Stage } from '../tasks/stage.ts';

let stage: Stage;
/** The batches that were sent, as `ci K8: field=value …`. */
let sent: string[];
/** Harness's error for a batch with the field. */
let answers: Record<string, Error>;
beforeEach(() => {
  stage = setStage();
  sent = [];
  answers = {};
});

const says = (name: ErrorName, message: string = name) => new FactoryError(name, message, { hint: '-' });

interface Options {
  kind?: 'updated' | 'reset';
  action?: Action;
  signal?: AbortSignal;
  kept?: KeptField[];
}

async function apply(changes: FieldChange[], { kind = 'updated', action = 'sync', signal, kept = [] }: Options = {}) {
  await stage.documents.plan.put(planOf({ action, kept }));
  await stage.documents.changes.put({ changes, held: [] });
  await stage.runtime.lock.take({ runId, action }, accountId);
  await applyChanges(runId, kind, { runtime: stage.runtime, signal }, async (scope, batch) => {
    const values = batch.map(({ field, to }) => `${field}=${to}`);
    sent.push(`${scope.module} ${scope.infrastructureType}: ${values.join(' ')}`);
    if (sent.length > 20) throw new Error('sends without end');
    for (const { field } of batch) {
      const answer = answers[field];
      if (answer) throw answer;
    }
  });
}

/** Returns the recorded results, by field. */
async function recorded(): Promise<Record<string, string>> {
  const rows = (await stage.documents.config.find()) ?? [];
  return Object.fromEntries(rows.map(({ field, status, reason }) => [field, reason ? `${status}: ${reason}` : status]));
}

async function remembered(): Promise<string[]> {
  return Object.keys(await readRefusedFields(stage.store));
}

describe('changes', () => {
  it('writes changes scope by scope, and records them without the keys of the plan', async () => {
    await apply([
      change('a', '1', { image: 'harness/a:1', from: '0' }),
      change('a', '2', { infrastructureType: 'VM' }),
      change('a', '3', { module: 'idp' }),
      change('b', '4'),
    ]);
    expect(sent).toEqual(['ci K8: a=1 b=4', 'ci VM: a=2', 'idp K8: a=3']);
    const rows = await stage.documents.config.get();
    expect(rows).toHaveLength(4);
    expect(rows[0]).toEqual({
      module: 'ci',
      infrastructureType: 'K8',
      field: 'a',
      from: '0',
      to: '1',
      status: 'updated',
    });
    expect(await remembered()).toEqual([]);
  });

  it.each([
    ['updated', ['ci K8: a=1'], { a: 'updated' }],
    ['reset', ['ci K8: gone=null'], { gone: 'reset' }],
  ] as const)('leaves changes of the other kind to the other task: %s', async (kind, batches, rows) => {
    await apply([change('a', '1'), change('gone', null)], { kind });
    expect(sent).toEqual(batches);
    expect(await recorded()).toEqual(rows);
  });

  it('skips changes that were made before, not those of the same field name in another scope', async () => {
    const row = (field: string): ConfigResult => ({ ...change(field, '1'), status: 'updated' });
    await stage.documents.config.put([row('a'), row('b')]);
    await apply([
      change('a', '1'),
      change('b', '1'),
      change('c', '1'),
      change('a', '1', { infrastructureType: 'VM' }),
      change('a', '1', { module: 'iacm' }),
    ]);
    expect(sent).toEqual(['ci K8: c=1', 'ci VM: a=1', 'iacm K8: a=1']);
    expect(await stage.documents.config.get()).toHaveLength(5);
  });

  it('begins no write after an interruption, and finishes the current one', async () => {
    const signal = AbortSignal.abort();
    await expect(apply([change('a', '1')], { signal })).rejects.toThrow('aborted');
    expect(sent).toEqual([]);
    expect(await stage.documents.writes.find()).toBeUndefined();
  });

  it('writes changes only while the run has the lock', async () => {
    await stage.runtime.lock.take({ runId: 'other', action: 'sync' }, accountId);
    await expect(apply([change('a', '1')])).rejects.toMatchObject({ name: 'LockLost' });
    expect(sent).toEqual([]);
  });
});

describe('a batch that Harness refuses', () => {
  it('halves a refused batch until the refused fields are found, and remembers them', async () => {
    answers = { d: says('HarnessRejected', 'no field d') };
    await apply(['a', 'b', 'c', 'd', 'e'].map((field) => change(field, '1')));
    expect(sent).toEqual([
      'ci K8: a=1 b=1 c=1 d=1 e=1',
      'ci K8: a=1 b=1 c=1',
      'ci K8: d=1 e=1',
      'ci K8: d=1',
      'ci K8: e=1',
    ]);
    expect(await recorded()).toEqual({
      a: 'updated',
      b: 'updated',
      c: 'updated',
      d: 'rejected: no field d',
      e: 'updated',
    });
    expect(await remembered()).toEqual(['ci K8 d']);
  });

  it('gives each refused field its own reason', async () => {
    answers = { a: says('HarnessRejected', 'no field a'), c: says('HarnessRejected', 'c is locked') };
    await apply(['a', 'b', 'c'].map((field) => change(field, '1')));
    expect(await recorded()).toEqual({ a: 'rejected: no field a', b: 'updated', c: 'rejected: c is locked' });
  });

  it('never divides a batch between two fields that belong together', async () => {
    answers = { liteEngineTag: says('HarnessRejected') };
    await apply(['a', 'addonTag', 'b', 'liteEngineTag'].map((field) => change(field, '1')));
    expect(sent).toEqual([
      'ci K8: a=1 addonTag=1 liteEngineTag=1 b=1',
      'ci K8: a=1 addonTag=1 liteEngineTag=1',
      'ci K8: a=1',
      'ci K8: addonTag=1 liteEngineTag=1',
      'ci K8: b=1',
    ]);
    expect(await remembered()).toEqual(['ci K8 addonTag', 'ci K8 liteEngineTag']);
  });

  const both = [change('a', '1'), change('b', '1')];
  const gone = [change('a', null), change('b', null)];

  it.each<[string, FieldChange[], Options]>([
    ['of a sync', both, {}],
    ['of a restore', both, { action: 'restore' }],
    ['of a reset', gone, { kind: 'reset', action: 'reset' }],
  ])('fails when a batch is wholly refused %s, and remembers nothing', async (_, changes, options) => {
    answers = { a: says('HarnessRejected', 'no field a'), b: says('HarnessRejected', 'no field b') };
    await expect(apply(changes, options)).rejects.toMatchObject({ name: 'HarnessRejected', message: 'no field a' });
    expect(await recorded()).toEqual({ a: 'rejected: no field a', b: 'rejected: no field b' });
    expect(await remembered()).toEqual([]);
  });

  it('accepts that Harness refuses every removal of fields that no longer exist', async () => {
    answers = { a: says('HarnessRejected'), b: says('HarnessRejected') };
    await apply(gone, { kind: 'reset' });
    expect(await remembered()).toEqual(['ci K8 a', 'ci K8 b']);
  });

  it.each([
    ['all', ['a', 'b'], true],
    ['some', ['a'], false],
  ])('accepts a wholly refused batch only if all fields were refused before, here %s', async (_, before, passes) => {
    const known = both.filter(({ field }) => before.includes(field));
    await noteRefusedFields(stage.store, known, new Date('2020-01-01'));
    answers = { a: says('HarnessRejected'), b: says('HarnessRejected') };
    const applied = apply(both);
    await (passes ? applied : expect(applied).rejects.toMatchObject({ name: 'HarnessRejected' }));
  });

  const atItsCopy: KeptField = {
    module: 'ci',
    infrastructureType: 'K8',
    field: 'k',
    value: 'registry.example/mirror/k:1',
    image: 'k:1',
  };
  const { image: _, ...foreign } = atItsCopy;

  it('goes on when only new fields of a switched scope are refused, and remembers them', async () => {
    answers = { a: says('HarnessRejected', 'no field a'), b: says('HarnessRejected', 'no field b') };
    await apply([...both, change('c', '1', { infrastructureType: 'VM' })], { kept: [atItsCopy] });
    expect(await recorded()).toEqual({ a: 'rejected: no field a', b: 'rejected: no field b', c: 'updated' });
    expect(await remembered()).toEqual(['ci K8 a', 'ci K8 b']);
  });

  it.each<[string, FieldChange[], KeptField[]]>([
    ['a field that Harness accepted before', [change('a', '2', { from: '1' }), change('b', '1')], [atItsCopy]],
    ['a scope where only others have set fields', both, [foreign]],
    ['a scope where another infrastructure was switched', both, [{ ...atItsCopy, infrastructureType: 'VM' }]],
    ['a scope where another module was switched', both, [{ ...atItsCopy, module: 'iacm' }]],
  ])('fails when everything is refused in %s', async (_case, changes, kept) => {
    answers = { a: says('HarnessRejected'), b: says('HarnessRejected') };
    await expect(apply(changes, { kept })).rejects.toMatchObject({ name: 'HarnessRejected' });
    expect(await remembered()).toEqual([]);
  });
});

describe('a write that fails', () => {
  const three = ['a', 'b', 'c'].map((field) => change(field, '1'));
  it.each([
    ['that may still be carried out', says('HarnessUnreachable'), { a: 'updated', b: 'updated', c: 'updated' }],
    ['that was answered strangely', says('HarnessUnexpectedResponse'), { a: 'updated', b: 'updated', c: 'updated' }],
    ['that nobody foresaw', new TypeError('a bug'), { a: 'updated', b: 'updated', c: 'updated' }],
    ['that Harness forbids', says('HarnessForbidden'), {}],
    ['that Harness does not know the sender of', says('HarnessUnauthorized'), {}],
  ])('%s ends the task, and is recorded for the rollback', async (_, error, rows) => {
    answers = { b: error };
    await expect(apply([...three, change('z', '1', { module: 'idp' })])).rejects.toBe(error);
    expect(sent).toEqual(['ci K8: a=1 b=1 c=1']);
    expect(await recorded()).toEqual(rows);
  });

  it('records the accepted part of a batch when the rest fails', async () => {
    answers = { a: says('HarnessRejected', 'no field a'), d: says('HarnessForbidden') };
    await expect(apply([...three, change('d', '1')])).rejects.toMatchObject({ name: 'HarnessForbidden' });
    expect(await recorded()).toEqual({ a: 'rejected: no field a', b: 'updated' });
  });
});
