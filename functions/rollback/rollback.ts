import { FactoryError } from '../errors.ts';
import type { ConfigScope } from '../harness/scope.ts';
import type { HarnessClient } from '../harness/client.ts';
import { isSameScope } from '../plan/changes.ts';
import type { FieldChange } from '../run/documents.ts';
import type { TaskRun } from '../task.ts';

export interface RollbackResult {
  status: 'rolled-back' | 'nothing-to-do';
}

/**
 * Puts every field that this run meant to change back to what the snapshot says, wherever it differs now, and checks
 * that. Fields of others are left alone. Throws `RollbackFailed`, which names each field with its value.
 */
export async function rollback({ runId }: { runId: string }, { runtime, signal }: TaskRun): Promise<RollbackResult> {
  const documents = runtime.run(runId);
  const snapshot = await documents.snapshot.find();
  if (!snapshot) return { status: 'nothing-to-do' };
  const { changes } = await documents.changes.get();
  const harness = await runtime.harness();
  const left: string[] = [];
  let cause: unknown;
  for (const scope of snapshot.scopes) {
    const fields = changes.filter((change) => isSameScope(change, scope));
    try {
      await putBack(harness, scope, differing(fields, scope.overrides, await harness.overrides(scope, signal)), signal);
      const still = differing(fields, scope.overrides, await harness.overrides(scope, signal));
      left.push(...still.map((field) => describe(scope, field)));
    } catch (error) {
      cause = error;
      left.push(...fields.map((field) => describe(scope, { ...field, from: field.to })));
    }
  }
  if (left.length > 0) {
    throw new FactoryError('RollbackFailed', `these fields could not be put back: ${left.join('; ')}`, {
      hint: `Run "factory restore --run ${runId}" when Harness answers again; the snapshot is runs/${runId}/snapshot.json in the run state.`,
      cause,
    });
  }
  const results = (await documents.config.find()) ?? [];
  await documents.config.put(results.map((row) => ({ ...row, status: 'rolled-back' })));
  return { status: 'rolled-back' };
}

/** The changes that undo this run, from what is there now to what was there before. */
function differing(
  fields: readonly FieldChange[],
  before: Record<string, string>,
  now: Record<string, string>,
): FieldChange[] {
  return fields
    .map((change) => ({ ...change, from: now[change.field] ?? null, to: before[change.field] ?? null }))
    .filter(({ from, to }) => from !== to);
}

async function putBack(
  harness: HarnessClient,
  scope: ConfigScope,
  changes: readonly FieldChange[],
  signal?: AbortSignal,
): Promise<void> {
  const values = changes.flatMap(({ field, to }) => (to === null ? [] : [{ field, value: to }]));
  const fields = changes.flatMap(({ field, to }) => (to === null ? [field] : []));
  await harness.updateConfig(scope, values, signal);
  await harness.resetConfig(scope, fields, signal);
}

function describe({ module, infrastructureType }: ConfigScope, { field, from }: FieldChange): string {
  return `${module} ${infrastructureType} ${field} is ${from ?? 'not overridden'}`;
}
