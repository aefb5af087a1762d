import { FactoryError } from '../errors.ts';
import type { ConfigScope } from '../harness/scope.ts';
import { areCounterparts } from './pairs.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { TaskRun } from '../task.ts';
import type { ConfigResult, FieldChange } from '../state/documents.ts';
import { noteRefusedFields, readRefusedFields, wasRefused } from '../state/refused-fields.ts';
import { writing } from '../state/writes.ts';

export type Write = (scope: ConfigScope, changes: readonly FieldChange[]) => Promise<void>;

/**
 * Applies the run's changes of one kind, scope by scope and never two at once: Harness keeps all of an account's fields
 * in one document without a lock, so parallel writers lose each other's work. What was done is recorded after each
 * scope, and not done again when the task is retried.
 *
 * Harness refuses a whole batch for one field that it does not let one change. Such fields are found by halving and
 * reported as `rejected`; a scope of which everything is refused, without a history of that, fails with `HarnessRejected`.
 */
export async function applyChanges(
  runId: string,
  kind: 'updated' | 'reset',
  { runtime, signal }: TaskRun,
  write: Write,
): Promise<void> {
  const documents = runtime.run(runId);
  const { changes } = await documents.changes.get();
  const { action } = await documents.plan.get();
  const results: ConfigResult[] = (await documents.config.find()) ?? [];
  const wanted = changes.filter(
    (change) => (change.to === null) === (kind === 'reset') && !results.some((row) => isSameField(row, change)),
  );
  const scopes = Map.groupBy(wanted, ({ module, infrastructureType }) => `${module} ${infrastructureType}`);
  for (const batch of scopes.values()) {
    // Between the batches only: a request that is cut may still be carried out, after the rollback has looked.
    signal?.throwIfAborted();
    const [scope] = batch;
    if (!scope) continue;
    await writing(documents, runtime.lock, scope, async () => {
      const outcome: Outcome = { written: [], refusals: [] };
      try {
        await writeAccepted(unitsOf(batch), write, outcome);
        // Taking away overrides of fields that are gone is tidying, not what a sync is for.
        if (!(action === 'sync' && kind === 'reset')) await failWhenAllRefused(batch, outcome.refusals, runtime);
        await noteRefusedFields(
          runtime.store,
          outcome.refusals.map(({ change }) => change),
          new Date(),
        );
      } finally {
        // After a failure too: the rollback has to know what may have been written.
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
  /** Stored by Harness, or sent without an answer: it may still be carried out. */
  written: FieldChange[];
  refusals: Refusal[];
}

/** Answers that say that nothing was stored. */
const refusing: ReadonlySet<string> = new Set(['HarnessRejected', 'HarnessForbidden', 'HarnessUnauthorized']);

/** Writes all that Harness accepts, in as few requests as may be; `outcome` tells how far that went. */
async function writeAccepted(units: readonly FieldChange[][], write: Write, outcome: Outcome): Promise<void> {
  const [[first] = []] = units;
  if (!first) return;
  const changes = units.flat();
  try {
    const { module, infrastructureType } = first;
    await write({ module, infrastructureType }, changes);
    outcome.written.push(...changes);
  } catch (error) {
    if (!(error instanceof FactoryError) || !refusing.has(error.name)) outcome.written.push(...changes);
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

/** What is written together or not at all: single changes, and pairs. */
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
  { store }: Runtime,
): Promise<void> {
  const [first] = refusals;
  if (!first || refusals.length < batch.length) return;
  const known = await readRefusedFields(store);
  if (!batch.every((change) => wasRefused(known, change))) throw first.error;
}

export function isSameField(a: ConfigScope & { field: string }, b: ConfigScope & { field: string }): boolean {
  return a.field === b.field && a.module === b.module && a.infrastructureType === b.infrastructureType;
}
