import { applyChanges } from '../overrides/apply-changes.ts';
import { writeConnector } from '../overrides/connector-change.ts';
import type { TaskRun } from '../runtime/task-run.ts';

/**
 * Removes the run's overrides: one batch per module and infrastructure type, in sequence. Then a restore gives the
 * connector its old address.
 */
export async function resetConfig({ runId }: { runId: string }, run: TaskRun): Promise<{ status: 'reset' }> {
  const harness = await run.runtime.harness();
  await applyChanges(runId, 'reset', run, async (scope, changes) => {
    const fields = changes.map(({ field }) => field);
    await harness.resetConfig(scope, fields);
  });
  const { action } = await run.runtime.plan(runId);
  if (action === 'restore') await writeConnector(runId, run);
  return { status: 'reset' };
}
