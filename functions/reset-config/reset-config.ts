import { applyChanges } from '../overrides/apply-changes.ts';
import type { TaskRun } from '../task.ts';

/** Takes the run's overrides away: one batch per module and infrastructure type, one after the other. */
export async function resetConfig({ runId }: { runId: string }, run: TaskRun): Promise<{ status: 'reset' }> {
  const harness = await run.runtime.harness();
  await applyChanges(runId, 'reset', run, async (scope, changes) => {
    const fields = changes.map(({ field }) => field);
    await harness.resetConfig(scope, fields);
  });
  return { status: 'reset' };
}
