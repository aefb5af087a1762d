import type { Execution } from '../aws/executions.ts';
import { recoveredRun, stoppedByRequest } from '../settings/recovery-input.ts';
import type { Caller } from './caller.ts';
import type { WebhookParts } from './webhook-parts.ts';

/** The states in which a run puts Harness back, and in which it writes its report. No request stops a run there. */
export const finalStates: ReadonlyMap<string, string> = new Map([
  ['Rollback', 'it is putting Harness back'],
  ['Report', 'it is writing its report'],
]);

/** The reason why a run was not stopped: the deployment does not allow it, there is no such run, or it must go on. */
export type StopOutcome = 'stopped' | 'forbidden' | 'unknown' | { refused: string };

/**
 * Stops a run. EventBridge then starts the execution that puts Harness back. A repeated request has the same outcome.
 *
 * The run may enter a final state between the look at its state and the stop. Then the other execution continues the
 * rollback and writes the report.
 */
export async function stopRun(
  runId: string,
  caller: Caller,
  { configuration, executions }: Pick<WebhookParts, 'configuration' | 'executions'>,
): Promise<StopOutcome> {
  if (!configuration.webhookAllow.includes('stop')) return 'forbidden';
  const execution = await executions.find(runId);
  if (!execution) return 'unknown';
  if (hasEnded(execution)) return outcomeOf(execution);
  // Nothing would put Harness back after it.
  if (recoveredRun(JSON.parse(execution.input ?? '{}')) !== undefined)
    return { refused: 'it puts Harness back after another run was stopped' };
  const reason = finalStates.get((await executions.stateOf(runId)) ?? '');
  if (reason !== undefined) return { refused: reason };
  const { arn = 'the holder of a token' } = caller;
  await executions.stop(runId, { error: stoppedByRequest, cause: `${arn} stopped the run through the webhook` });
  // It may have ended by itself before.
  const after = await executions.find(runId);
  return after && hasEnded(after) ? outcomeOf(after) : 'stopped';
}

function hasEnded({ status }: Execution): boolean {
  return status !== 'RUNNING' && status !== 'PENDING_REDRIVE';
}

function outcomeOf({ status }: Execution): StopOutcome {
  return status === 'ABORTED' ? 'stopped' : { refused: `it has ended: ${status}` };
}
