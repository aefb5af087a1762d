import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type ErrorName, FactoryError } from '../../functions/errors.ts';
import { applyChanges, type Write } from '../../functions/run/apply-changes.ts';
import type { FieldChange } from '../../functions/run/documents.ts';
import { takeLock } from '../../functions/run/lock.ts';
import { type Factory, startFactory } from '../tasks/factory.ts';

const change = (module: FieldChange['module'], field: string): FieldChange => ({
  module,
  infrastructureType: 'K8',
  field,
  from: null,
  to: `reg.example/${field}`,
});

let factory: Factory;
beforeEach(async () => {
  factory = await startFactory();
});
afterEach(() => factory.close());

/** Applies changes with a Harness that does as `write` says; returns what was recorded, and noted of writes. */
async function apply(changes: FieldChange[], write: Write) {
  return factory.task(async (_, run) => {
    const documents = run.runtime.run('run-1');
    await documents.plan.put({ action: 'sync' } as never);
    await documents.changes.put({ changes, held: [] });
    await takeLock({ runId: 'run-1', action: 'sync' }, 'embedded', run.runtime);
    const error = await applyChanges('run-1', 'updated', run, write).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    const rows = (await documents.config.find()) ?? [];
    return {
      error,
      rows: rows.map(({ module, field, status }) => `${module} ${field} ${status}`),
      writes: await documents.writes.find(),
    };
  }, {});
}

const failing = (name: ErrorName) => () => Promise.reject(new FactoryError(name, 'no', { hint: '-' }));
const one = [change('ci', 'a'), change('ci', 'b')];

describe('what is recorded of a write that fails', () => {
  it.each(['HarnessUnreachable', 'HarnessUnexpectedResponse'] as const)(
    'is everything after %s: it may still be carried out',
    async (name) => {
      const { error, rows } = await apply(one, failing(name));
      expect(error).toMatchObject({ name });
      expect(rows).toEqual(['ci a updated', 'ci b updated']);
    },
  );

  it.each(['HarnessForbidden', 'HarnessUnauthorized'] as const)('is nothing after %s', async (name) => {
    const { error, rows } = await apply(one, failing(name));
    expect(error).toMatchObject({ name });
    expect(rows).toEqual([]);
  });

  it('is everything after a failure that nobody foresaw', async () => {
    const { error, rows } = await apply(one, () => Promise.reject(new TypeError('a bug')));
    expect(error).toBeInstanceOf(TypeError);
    expect(rows).toEqual(['ci a updated', 'ci b updated']);
  });

  it('is the refusal of the field that Harness does not let one change, and nothing else', async () => {
    const { error, rows } = await apply(one, async (_, changes) => {
      if (changes.some(({ field }) => field === 'b')) await failing('HarnessRejected')();
    });
    expect(error).toBeUndefined();
    expect(rows).toEqual(['ci a updated', 'ci b rejected']);
  });
});

describe('the note of writes', () => {
  it('names the scopes that were begun, and nothing is under way when the task ends', async () => {
    const seen: unknown[] = [];
    const { writes } = await apply([change('ci', 'a'), change('idp', 'c'), change('iacm', 'd')], async ({ module }) => {
      seen.push(await factory.document('runs/run-1/writes.json'));
      if (module === 'idp') await failing('HarnessUnreachable')();
    });
    const scopes = ['ci', 'idp'].map((module) => ({ module, infrastructureType: 'K8' }));
    expect(seen).toEqual([
      { begun: scopes.slice(0, 1), since: expect.any(String) },
      { begun: scopes, since: expect.any(String) },
    ]);
    expect(writes).toEqual({ begun: scopes });
  });
});
