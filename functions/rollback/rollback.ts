import { FactoryError } from '../errors.ts';
import { isSameScope } from '../harness/scope.ts';
import { compareOverrides, describeDifference, waitForAgreement, writeOverrides } from '../run/agreement.ts';
import { isSameField } from '../run/apply-changes.ts';
import type { FieldChange } from '../run/documents.ts';
import type { TaskRun } from '../task.ts';

export interface RollbackResult {
  status: 'rolled-back' | 'nothing-to-do';
}

/**
 * Puts every field that this run wrote back to what the snapshot says, and checks that. Fields that show something else
 * than what the run writes, and were not recorded as written, are somebody else's: they are left alone. Throws
 * `RollbackFailed`, which names each field with its value, and the place of the snapshot.
 */
export async function rollback({ runId }: { runId: string }, run: TaskRun): Promise<RollbackResult> {
  const { runtime } = run;
  const documents = runtime.run(runId);
  const snapshot = await documents.snapshot.find();
  if (!snapshot) return { status: 'nothing-to-do' };
  const { changes } = await documents.changes.get();
  const results = (await documents.config.find()) ?? [];
  const stateOf = (change: FieldChange) => results.find((row) => isSameField(row, change))?.status;
  const left: string[] = [];
  let cause: unknown;
  for (const scope of snapshot.scopes) {
    const mine = changes.filter((change) => isSameScope(change, scope) && stateOf(change) !== 'rejected');
    const before = ({ field }: FieldChange) => scope.overrides[field] ?? null;
    let undo = mine.map((change): FieldChange => ({ ...change, to: before(change) }));
    try {
      const unlike = await compareOverrides(mine, runtime, run.signal);
      // What was written is put back even where an old copy of the configuration does not show it yet.
      const isOurs = (change: FieldChange) =>
        stateOf(change) !== undefined || !unlike.some((difference) => isSameField(difference, change));
      undo = mine.filter(isOurs).map((change) => ({ ...change, to: before(change) }));
      await writeOverrides(runId, undo, run);
      left.push(...(await waitForAgreement(undo, runtime, run.signal)).map(describeDifference));
    } catch (error) {
      cause = error;
      left.push(...(await stillDiffering(undo, run)));
    }
  }
  if (left.length > 0) {
    const why = cause === undefined ? '' : ` (${FactoryError.from(cause).message})`;
    throw new FactoryError('RollbackFailed', `these fields could not be put back${why}: ${left.join('; ')}`, {
      hint: `Run "factory restore --run ${runId}" when Harness answers again; the snapshot is ${documents.snapshot.location}.`,
      cause,
    });
  }
  await documents.config.put(
    results.map((row) => (row.status === 'rejected' ? row : { ...row, status: 'rolled-back' })),
  );
  return { status: 'rolled-back' };
}

/** After a failure: what differs, or every field when even that cannot be told. */
async function stillDiffering(undo: readonly FieldChange[], { runtime, signal }: TaskRun): Promise<string[]> {
  try {
    return (await compareOverrides(undo, runtime, signal)).map(describeDifference);
  } catch {
    return undo.map(
      ({ module, infrastructureType, field, to }) =>
        `${module} ${infrastructureType} ${field} may not be ${to ?? 'unset'}`,
    );
  }
}
