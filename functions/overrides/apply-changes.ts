import { copiesImages } from '../settings/input-schema.ts';
import { FactoryError } from '../errors.ts';
import { type ConfigScope, isSameScope } from '../harness/scope.ts';
import { areCounterparts } from './pairs.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import type { ConfigResult, FieldChange, KeptField } from '../state/documents.ts';
import { noteRefusedFields, readRefusedFields, wasRefused } from '../state/refused-fields.ts';
import { writing } from '../state/writes.ts';

export type Write = (scope: ConfigScope, changes: readonly FieldChange[]) => Promise<void>;

/**
 * Applies the run's changes of one kind, one scope after the other: Harness keeps all fields of an account in one
 * document without a lock, so parallel writers lose each other's writes. Results are recorded after each scope, and a
 * retried task does not repeat them.
 *
 * Harness refuses a whole batch for one field that cannot be changed. Such fields are found by halving the batch and
 * reported as `rejected`. When it refuses every field of a scope, the scope may be at fault: then the task fails with
 * `HarnessRejected`, unless Harness refused these fields before, or they are new in a scope that was switched.
 */
export async function applyChanges(
  runId: string,
  kind: 'updated' | 'reset',
  { runtime, signal }: TaskRun,
  write: Write,
): Promise<void> {
  const documents = runtime.run(runId);
  const { changes } = await documents.changes.get();
  const { action, kept } = await runtime.plan(runId);
  const results: ConfigResult[] = (await documents.config.find()) ?? [];
  const wanted = changes.filter(
    (change) => (change.to === null) === (kind === 'reset') && !results.some((row) => isSameField(row, change)),
  );
  const scopes = Map.groupBy(wanted, ({ module, infrastructureType }) => `${module} ${infrastructureType}`);
  for (const batch of scopes.values()) {
    // Only between batches: Harness may carry out an aborted request after the rollback has read the fields.
    signal?.throwIfAborted();
    const [scope] = batch;
    if (!scope) continue;
    await writing(documents, runtime.lock, scope, async () => {
      const outcome: Outcome = { written: [], refusals: [] };
      try {
        await writeAccepted(unitsOf(batch), write, outcome);
        // Removing overrides of fields that no longer exist is optional in a sync.
        if (!(copiesImages(action) && kind === 'reset'))
          await failWhenAllRefused(batch, outcome.refusals, kept, runtime);
        await noteRefusedFields(
          runtime.store,
          outcome.refusals.map(({ change }) => change),
          new Date(),
        );
      } finally {
        // After a failure too: the rollback must know which fields may have been written.
        results.push(...rowsOf(batch, outcome, kind));
        await documents.config.put(results);
      }
    });
  }
}

function rowsOf(batch: readonly FieldChange[], { written, refusals }: Outcome, kind: 'updated' | 'reset') {
  return batch.flatMap((change): ConfigResult[] => {
    const { image: _, ...row } = change;
    const refusal = refusals.find((candidate) => candidate.change === change);
    if (refusal) return [{ ...row, status: 'rejected', reason: refusal.error.message }];
    return written.includes(change) ? [{ ...row, status: kind }] : [];
  });
}

interface Refusal {
  change: FieldChange;
  error: FactoryError;
}

interface Outcome {
  /** Changes that Harness stored, or may still store because it sent no response. */
  written: FieldChange[];
  refusals: Refusal[];
}

/** Errors after which nothing was stored. */
const refusing: ReadonlySet<string> = new Set(['HarnessRejected', 'HarnessForbidden', 'HarnessUnauthorized']);

/** Returns whether Harness stored nothing. After any other failure it may have, or may still do it. */
export function isRefusal(error: unknown): boolean {
  return error instanceof FactoryError && refusing.has(error.name);
}

/** Writes all changes that Harness accepts, in as few requests as possible. Adds to `outcome` during the writes. */
async function writeAccepted(units: readonly FieldChange[][], write: Write, outcome: Outcome): Promise<void> {
  const [[first] = []] = units;
  if (!first) return;
  const changes = units.flat();
  try {
    const { module, infrastructureType } = first;
    await write({ module, infrastructureType }, changes);
    outcome.written.push(...changes);
  } catch (error) {
    if (!isRefusal(error)) outcome.written.push(...changes);
    if (!(error instanceof FactoryError) || error.name !== 'HarnessRejected') throw error;
    if (units.length === 1) {
      outcome.refusals.push(...changes.map((change) => ({ change, error })));
      return;
    }
    const half = Math.ceil(units.length / 2);
    await writeAccepted(units.slice(0, half), write, outcome);
    await writeAccepted(units.slice(half), write, outcome);
  }
}

/** Divides changes into units that are written together: single changes and pairs. */
function unitsOf(batch: readonly FieldChange[]): FieldChange[][] {
  const units: FieldChange[][] = [];
  for (const change of batch) {
    const unit = units.find(([other]) => other && areCounterparts(other, change));
    if (unit) unit.push(change);
    else units.push([change]);
  }
  return units;
}

async function failWhenAllRefused(
  batch: readonly FieldChange[],
  refusals: readonly Refusal[],
  kept: readonly KeptField[],
  { store }: Runtime,
): Promise<void> {
  const [first] = refusals;
  if (!first || refusals.length < batch.length) return;
  // Fields that point at their copies show that Harness accepts writes here. An override shows that it accepted the field.
  const isSwitched = kept.some((row) => row.image !== undefined && isSameScope(row, first.change));
  if (isSwitched && batch.every(({ from }) => from === null)) return;
  const known = await readRefusedFields(store);
  if (!batch.every((change) => wasRefused(known, change))) throw first.error;
}

export function isSameField(a: ConfigScope & { field: string }, b: ConfigScope & { field: string }): boolean {
  return a.field === b.field && a.module === b.module && a.infrastructureType === b.infrastructureType;
}
