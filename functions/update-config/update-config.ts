import { applyChanges } from '../overrides/apply-changes.ts';
import { writeConnector } from '../overrides/connector-change.ts';
import type { FieldChange } from '../state/documents.ts';
import { parseOverride } from '../overrides/override.ts';
import { noteWrittenValues } from '../state/written-values.ts';
import type { TaskRun } from '../runtime/task-run.ts';

/**
 * Points the run's fields at their images: one batch per module and infrastructure type, in sequence. A connector for
 * the copies comes first, because pods then find every image, with an override and without. A restore changes it last.
 */
export async function updateConfig({ runId }: { runId: string }, run: TaskRun): Promise<{ status: 'updated' }> {
  const harness = await run.runtime.harness();
  const { action } = await run.runtime.plan(runId);
  if (action !== 'restore') await writeConnector(runId, run);
  await applyChanges(runId, 'updated', run, async (scope, changes) => {
    const values = changes.flatMap(({ field, to }) => (to === null ? [] : [{ field, value: to }]));
    await noteWrittenValues(run.runtime.store, harness.accountId, relativeValues(changes));
    await harness.updateConfig(scope, values);
  });
  return { status: 'updated' };
}

/** Returns the names of copies without a registry. A restore writes the values of others, too. */
function relativeValues(changes: readonly FieldChange[]): string[] {
  return changes.flatMap(({ to, image }) =>
    to !== null && image !== undefined && parseOverride(to)?.registry === undefined ? [to] : [],
  );
}
