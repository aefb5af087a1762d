import { createHash } from 'node:crypto';
import type { Execution, Executions } from '../aws/executions.ts';
import { webhookRunPrefix } from '../settings/run-names.ts';
import type { Delivery } from './delivery.ts';

/**
 * Equal deliveries without an id start one run within this time, in milliseconds. Long enough for the retries of an
 * HTTP step, short enough for a new request after a failed run.
 */
const sameWithinMs = 10 * 60_000;

type ExecutionsByName = Pick<Executions, 'start' | 'find'>;

/** A delivery whose input the webhook has judged. */
type JudgedDelivery = Delivery & { input: object };

export interface StartedRun {
  /** The name of the execution. */
  runId: string;
  /** The execution, if an earlier delivery started it. */
  execution: Execution | undefined;
}

/**
 * Starts the run of a delivery, unless an earlier delivery started it. Step Functions allows one execution per name, so
 * of two concurrent requests one starts it.
 *
 * @param caller goes into the input of the run. Another caller's equal delivery starts no second run.
 */
export async function startOnce(
  delivery: JudgedDelivery,
  caller: string | undefined,
  executions: ExecutionsByName,
  now: number,
): Promise<StartedRun> {
  const window = Math.floor(now / sameWithinMs);
  if (delivery.id === undefined) {
    // The previous delivery may belong to the previous window.
    const runId = executionName(delivery, window - 1);
    const execution = await executions.find(runId);
    if (execution && now - execution.startedAt.getTime() < sameWithinMs) return { runId, execution };
  }
  const runId = executionName(delivery, window);
  const input = caller === undefined ? delivery.input : { ...delivery.input, started_by: caller };
  const started = await executions.start(runId, JSON.stringify(input));
  return { runId, execution: started ? undefined : await executions.find(runId) };
}

/**
 * A digest, because ids may be of any length and spelling. The input is part of it: one pipeline may start two jobs.
 */
function executionName({ input, id }: Delivery, window: number): string {
  const identity = JSON.stringify(id === undefined ? { window, input } : { id, input });
  return `${webhookRunPrefix}${createHash('sha256').update(identity).digest('hex')}`;
}
