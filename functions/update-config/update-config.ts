import { applyChanges } from '../run/apply-changes.ts';
import type { TaskRun } from '../task.ts';

/** Points the run's fields at their images: one batch per module and infrastructure type, one after the other. */
export async function updateConfig(
  { runId }: { runId: string },
  { runtime, signal }: TaskRun,
): Promise<{ status: 'updated' }> {
  const harness = await runtime.harness();
  await applyChanges(runtime.run(runId), 'updated', async (scope, changes) => {
    const values = changes.flatMap(({ field, to }) => (to === null ? [] : [{ field, value: to }]));
    await harness.updateConfig(scope, values, signal);
  });
  return { status: 'updated' };
}
