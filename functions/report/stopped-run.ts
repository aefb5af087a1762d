import { FactoryError } from '../errors.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Plan, Report, StoppedRun } from '../state/documents.ts';
import { harnessAfter } from '../state/harness-after.ts';
import { totalsOf } from '../state/totals.ts';
import type { WorkflowError } from '../workflow-error.ts';
import type { ReportEvent } from './event.ts';
import { factsOf } from './facts.ts';
import { finish } from './finish.ts';
import { outcomeWithoutPlan } from './outcome.ts';
import { placeOf, writePages } from './pages.ts';
import { errorOf } from './run-error.ts';

/** Writes the report of a run that was stopped, then that of the run that rolled it back. */
export async function finishStopped(
  { runId, startedAt }: Plan,
  { runId: stopped, ended, verified }: StoppedRun,
  { state, ...event }: ReportEvent,
  runtime: Runtime,
): Promise<Report> {
  const own = runtime.run(runId);
  const undone = runtime.run(stopped);
  const switched = (await undone.snapshot.find()) !== undefined;
  const outcome = verified
    ? 'its switch was complete and verified, and is kept'
    : switched
      ? `run ${runId} put Harness back as it was before`
      : 'Harness is as it was before';
  const end: WorkflowError | undefined = verified
    ? undefined
    : { Error: 'RunStopped', Cause: stopDocument(ended, outcome) };
  const error = await errorOf({ ...state, ...(end && { error: end }) }, undone, runtime, own);
  const told = verified ? { warnings: [`${ended}; ${outcome}`] } : {};
  const report = await finish({ ...event, runId: stopped, state: told }, error, runtime);
  await runtime.lock.release(runId);
  const failed = state.rollbackError !== undefined;
  const document: Report = {
    ...outcomeWithoutPlan(runId, undefined, {}),
    status: failed ? 'FAILED' : 'SUCCEEDED',
    action: report.action,
    reason: `run ${stopped}: ${ended}; ${failed ? 'the rollback failed' : outcome}; its report is ${undone.report.location}`,
    config: report.config,
    ...(report.connector && { connector: report.connector }),
    totals: totalsOf([], startedAt),
    ...(await factsOf(own, await own.plan.find(), [], runtime.parts.release)),
    harness: harnessAfter(report),
    ...(failed && error && { error }),
  };
  await own.report.put(document);
  await writePages(document, placeOf(runId, event.execution, runtime), runtime);
  return document;
}

function stopDocument(ended: string, outcome: string): string {
  const error = new FactoryError('RunStopped', `${ended}; ${outcome}`, {
    hint: 'Start the run again. What was copied stays at the registry.',
  });
  return JSON.stringify(error);
}
