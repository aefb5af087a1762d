import { describeLock } from '../state/lock.ts';
import type { ExecutionEnd, Runtime } from '../runtime/runtime.ts';
import { recoveredRun, stoppedByRequest } from '../settings/recovery-input.ts';
import { planNothing, type PlanResult } from './plan-result.ts';

/**
 * Returns the run to roll back because its execution was stopped; `undefined` for any other input. Only the deployment,
 * and users who may start executions, can send this: the webhook and the command line do not accept the key.
 */
export function stoppedRunOf(input: unknown, { parts }: Runtime): string | undefined {
  return parts.findExecution && recoveredRun(input);
}

/**
 * Takes the lock over from a run whose execution was stopped, so that its functions that are still running write
 * nothing more, and plans the rollback of its changes. Leaves a run alone that has a report or is still running.
 */
export async function planRecovery(
  runId: string,
  stopped: string,
  startedAt: Date,
  runtime: Runtime,
): Promise<PlanResult> {
  const documents = runtime.run(stopped);
  const planned = await documents.plan.find();
  const head = {
    runId,
    action: planned?.action ?? 'sync',
    startedAt: startedAt.toISOString(),
    registry: planned?.registry ?? runtime.configuration.registry ?? { registry: '', prefix: '' },
    modifyDefault: true,
    onPartialFailure: 'abort',
    referrers: 'off',
    prune: false,
  } as const;
  const skip = (reason: string) =>
    planNothing({ ...head, skipped: `run ${stopped} is not rolled back: ${reason}` }, 'report', runtime);

  if (await documents.report.find()) return skip('it has a report');
  if (planned?.recovers) return skip('it was itself rolling back another run');
  const execution = await runtime.parts.findExecution?.(stopped);
  if (!execution) return skip('there is no such execution');
  if (!over.has(execution.status)) return skip(`its execution is ${execution.status}`);
  const { by } = (await documents.recovery.find()) ?? {};
  const other = by === undefined || by === runId ? undefined : await runtime.parts.findExecution?.(by);
  if (other?.status === 'RUNNING') return skip(`run ${by} is already rolling it back`);

  const noted = await documents.lock.find();
  if (noted) {
    const from = [stopped, ...(by === undefined ? [] : [by])];
    const { holder } = await runtime.lock.take({ runId, action: head.action, from }, noted.accountId);
    if (holder) return skip(describeLock(holder));
  }
  await documents.recovery.put({ by: runId });
  const verified = (await documents.verified.find()) !== undefined;
  const recovers = { runId: stopped, ended: howItEnded(execution), verified };
  const switched = !verified && (await documents.snapshot.find()) !== undefined;
  return planNothing({ ...head, recovers }, switched ? 'rollback' : 'report', runtime);
}

const over: ReadonlySet<string> = new Set(['ABORTED', 'TIMED_OUT', 'FAILED', 'SUCCEEDED']);

function howItEnded({ status, error, cause }: ExecutionEnd): string {
  const why = [error, cause?.slice(0, 500)].filter(Boolean).join(': ');
  const reason = why === '' ? '' : ` (${why})`;
  if (status === 'ABORTED' && error === stoppedByRequest && cause !== undefined) return cause;
  if (status === 'ABORTED') return `somebody stopped the execution${reason}; Step Functions does not record who`;
  if (status === 'TIMED_OUT') return `the execution ran longer than the workflow allows${reason}`;
  return `the execution ended without a report${reason}`;
}
