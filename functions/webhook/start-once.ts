import { createHash } from 'node:crypto';
import type { Execution, Executions } from '../aws/executions.ts';
import type { Delivery } from './delivery.ts';

/**
 * Deliveries without an id that are alike and no further apart than this start one run, in milliseconds. Long enough for
 * the retries of an HTTP step; short enough for somebody who asks again after a failed run, or the next day.
 */
const sameWithinMs = 10 * 60_000;

export type ExecutionsByName = Pick<Executions, 'start' | 'find'>;

export interface StartedRun {
  /** The name of the execution. */
  runId: string;
  /** Given when it was not started just now. */
  execution: Execution | undefined;
}

/**
 * Starts the run of a delivery unless the delivery came before. Step Functions decides: it has one execution of a name,
 * whichever of two requests is first.
 */
export async function startOnce(delivery: Delivery, executions: ExecutionsByName, now: number): Promise<StartedRun> {
  const window = Math.floor(now / sameWithinMs);
  if (delivery.id === undefined) {
    // The one before may have come a moment ago, on the other side of the window's edge.
    const runId = executionName(delivery, window - 1);
    const execution = await executions.find(runId);
    if (execution && now - execution.startedAt.getTime() < sameWithinMs) return { runId, execution };
  }
  const runId = executionName(delivery, window);
  const started = await executions.start(runId, JSON.stringify(delivery.input));
  return { runId, execution: started ? undefined : await executions.find(runId) };
}

/** A digest, because ids may be of any length and spelling. The input is part of it: one pipeline may start two jobs. */
function executionName({ input, id }: Delivery, window: number): string {
  const identity = JSON.stringify(id === undefined ? { window, input } : { id, input });
  return `webhook-${createHash('sha256').update(identity).digest('hex')}`;
}
