import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parseRegistryLocation } from '../../functions/oci/spec/reference.ts';
import type { FieldChange, KeptField, Snapshot } from '../../functions/state/documents.ts';
import { snapshot } from '../../functions/snapshot/snapshot.ts';
import { type Factory, startFactory } from '../tasks/factory.ts';

/** The task alone, on documents as the tasks before it leave them. */

import { planOf } from '../tasks/stage.ts';

const runId = 'run-1';
const k8 = { module: 'ci', infrastructureType: 'K8' } as const;
const vm = { module: 'ci', infrastructureType: 'VM' } as const;

let factory: Factory;
beforeEach(async () => {
  factory = await startFactory();
});
afterEach(() => factory.close());

/** Returns a change between images of other registries, where nothing is looked up. */
const change = (scope: typeof k8 | typeof vm, field: string, from: string | null, to: string | null): FieldChange => ({
  ...scope,
  field,
  from,
  to,
});

interface Outcome {
  result: { updates: number; resets: number };
  snapshot: Snapshot;
  changes: FieldChange[];
  held: KeptField[];
}

/** Takes the snapshot of a run that plans `changes`, when Harness has `overrides`. */
async function take(
  changes: FieldChange[],
  overrides: { K8?: Record<string, string>; VM?: Record<string, string> },
  held: KeptField[] = [],
): Promise<Outcome> {
  Object.assign(factory.harness.state[factory.harness.accountId]?.ci ?? {}, { K8: {}, VM: {}, ...overrides });
  return factory.task(async (_, task) => {
    const documents = task.runtime.run(runId);
    const registry = parseRegistryLocation(factory.registry);
    await documents.plan.put(planOf({ registry }));
    await documents.changes.put({ changes, held });
    const result = await snapshot({ runId }, task);
    return { result, snapshot: await documents.snapshot.get(), ...(await documents.changes.get()) };
  }, undefined);
}

describe('a snapshot', () => {
  it('keeps every scope that is about to be written once, in full, and no other', async () => {
    const overrides = { K8: { a: 'x/a:1', untouched: 'x/u:1' }, VM: {} };
    const changes = [change(k8, 'a', 'x/a:1', 'x/a:2'), change(vm, 'a', null, 'x/a:2'), change(k8, 'b', null, 'x/b:2')];
    const outcome = await take(changes, overrides);
    expect(outcome.snapshot).toMatchObject({ runId, accountId: factory.harness.accountId });
    expect(outcome.snapshot.scopes).toEqual([
      { ...k8, overrides: overrides.K8 },
      { ...vm, overrides: overrides.VM },
    ]);
    expect([outcome.changes, outcome.held]).toEqual([changes, []]);
  });

  it('counts what is to be written and what is to be unset', async () => {
    const overrides = { K8: { b: 'x/b:1', c: 'x/c:1' } };
    const changes = [
      change(k8, 'a', null, 'x/a:2'),
      change(k8, 'b', 'x/b:1', null),
      change(k8, 'c', 'x/c:1', 'x/c:2'),
      change(k8, 'd', null, 'x/d:2'),
    ];
    expect((await take(changes, overrides)).result).toEqual({ updates: 3, resets: 1 });
  });

  it('leaves fields alone that somebody changed since the plan, and lists them beside those held back before', async () => {
    const before: KeptField = { ...k8, field: 'z', value: 'x/z:1', reason: 'soaks' };
    const changes = [
      change(k8, 'set', null, 'x/a:2'),
      change(k8, 'changed', 'x/b:1', 'x/b:2'),
      change(k8, 'unset', 'x/c:1', null),
      change(k8, 'same', 'x/d:1', 'x/d:2'),
      change(vm, 'set', null, 'x/a:2'),
    ];
    const outcome = await take(changes, { K8: { set: 'y/a:1', changed: 'y/b:1', same: 'x/d:1' } }, [before]);
    expect(outcome.result).toEqual({ updates: 2, resets: 0 });
    expect(outcome.changes).toEqual([changes[3], changes[4]]);
    const reason = 'was changed by someone else during the run';
    expect(outcome.held).toEqual([
      before,
      { ...k8, field: 'set', value: null, reason },
      { ...k8, field: 'changed', value: 'x/b:1', reason },
      { ...k8, field: 'unset', value: 'x/c:1', reason },
    ]);
  });
});
