import { FactoryError } from '../errors.ts';
import { isSameScope, type ConfigScope } from '../harness/scope.ts';
import { compareOverrides, describeDifference, waitForAgreement } from '../run/agreement.ts';
import { isSameField } from '../run/apply-changes.ts';
import type { FieldChange } from '../run/documents.ts';
import type { Runtime } from '../runtime.ts';
import type { TaskRun } from '../task.ts';

export interface RollbackResult {
  status: 'rolled-back' | 'nothing-to-do';
}

/**
 * Puts every field that this run wrote, or meant to write and that differs now, back to what the snapshot says, and
 * checks that. Fields of others are left alone. Throws `RollbackFailed`, which names each field with its value.
 */
export async function rollback({ runId }: { runId: string }, { runtime, signal }: TaskRun): Promise<RollbackResult> {
  const documents = runtime.run(runId);
  const snapshot = await documents.snapshot.find();
  if (!snapshot) return { status: 'nothing-to-do' };
  const { changes } = await documents.changes.get();
  const results = (await documents.config.find()) ?? [];
  const written = results.filter(({ status }) => status === 'updated' || status === 'reset');
  const left: string[] = [];
  let cause: unknown;
  for (const scope of snapshot.scopes) {
    const undo = changes
      .filter((change) => isSameScope(change, scope))
      .map((change): FieldChange => ({ ...change, to: scope.overrides[change.field] ?? null }));
    try {
      const differing = await compareOverrides(undo, runtime, signal);
      // What was written is put back even where an old copy of the configuration does not show it yet.
      const wanted = undo.filter((change) => [...differing, ...written].some((row) => isSameField(row, change)));
      await putBack(scope, wanted, runtime, signal);
      left.push(...(await waitForAgreement(undo, runtime, signal)).map(describeDifference));
    } catch (error) {
      cause = error;
      left.push(...(await stillDiffering(undo, runtime, signal)));
    }
  }
  if (left.length > 0) {
    throw new FactoryError('RollbackFailed', `these fields could not be put back: ${left.join('; ')}`, {
      hint: `Run "factory restore --run ${runId}" when Harness answers again; the snapshot is runs/${runId}/snapshot.json in the run state.`,
      cause,
    });
  }
  await documents.config.put(
    results.map((row) => (row.status === 'rejected' ? row : { ...row, status: 'rolled-back' })),
  );
  return { status: 'rolled-back' };
}

async function putBack(
  scope: ConfigScope,
  changes: readonly FieldChange[],
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<void> {
  const harness = await runtime.harness();
  const values = changes.flatMap(({ field, to }) => (to === null ? [] : [{ field, value: to }]));
  const fields = changes.flatMap(({ field, to }) => (to === null ? [field] : []));
  await harness.updateConfig(scope, values, signal);
  await harness.resetConfig(scope, fields, signal);
}

/** After a failure: what differs, or every field when even that cannot be told. */
async function stillDiffering(undo: readonly FieldChange[], runtime: Runtime, signal?: AbortSignal): Promise<string[]> {
  try {
    return (await compareOverrides(undo, runtime, signal)).map(describeDifference);
  } catch {
    return undo.map(
      ({ module, infrastructureType, field, to }) =>
        `${module} ${infrastructureType} ${field} may not be ${to ?? 'unset'}`,
    );
  }
}
