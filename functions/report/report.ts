import type { TaskRun } from '../runtime/task-run.ts';
import type { ReportEvent } from './event.ts';
import { finish } from './finish.ts';
import { outputOf, type ReportOutput } from './output.ts';
import { placeOf } from './pages.ts';
import { errorOf } from './run-error.ts';
import { finishStopped } from './stopped-run.ts';

/**
 * Writes the run's report, sends it, and returns it as the output of the state machine. A report too large for that is
 * returned without its lists; the object store has all of it. Safe to repeat: nothing is done twice.
 */
export async function report(event: ReportEvent, { runtime }: TaskRun): Promise<ReportOutput> {
  const { runId, state } = event;
  const documents = runtime.run(runId);
  const { links } = placeOf(runId, event.execution, runtime);
  const plan = await documents.plan.find();
  if (plan?.recovers) return outputOf(await finishStopped(plan, plan.recovers, event, runtime), documents, links);
  const error = await errorOf(state, documents, runtime);
  const document = await finish(event, error, runtime);
  return outputOf(document, documents, links);
}
