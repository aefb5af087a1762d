import { applyChanges } from '../overrides/apply-changes.ts';
import type { TaskRun } from '../task.ts';

/** Points the run's fields at their images: one batch per module and infrastructure type, in sequence. */
export async function updateConfig({ runId }: { runId: string }, run: TaskRun): Promise<{ status: 'updated' }> {
  const harness = await run.runtime.harness();
  await applyChanges(runId, 'updated', run, async (scope, changes) => {
    const values = changes.flatMap(({ field, to }) => (to === null ? [] : [{ field, value: to }]));
    await harness.updateConfig(scope, values);
  });
  return { status: 'updated' };
}
