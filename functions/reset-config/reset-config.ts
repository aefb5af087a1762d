import { applyChanges } from '../overrides/apply-changes.ts';
import type { TaskRun } from '../task.ts';

/** Removes the run's overrides: one batch per module and infrastructure type, in sequence. */
export async function resetConfig({ runId }: { runId: string }, run: TaskRun): Promise<{ status: 'reset' }> {
  const harness = await run.runtime.harness();
  await applyChanges(runId, 'reset', run, async (scope, changes) => {
    const fields = changes.map(({ field }) => field);
    await harness.resetConfig(scope, fields);
  });
  return { status: 'reset' };
}
