import type { Execution } from '../aws/executions.ts';
import type { Report } from '../state/documents.ts';

/** The status of a run, for clients that poll. */
export interface RunStatus {
  runId: string;
  status: 'RUNNING' | Report['status'];
  /** The URL of this status. */
  url: string;
  startedAt?: string;
  endedAt?: string;
  action?: Report['action'];
  /** A summary in one sentence. */
  summary?: string;
  totals?: Report['totals'];
  error?: { name: string; message: string };
}

export function runStatus(runId: string, url: string, execution: Execution): RunStatus {
  const { status, startedAt, endedAt } = execution;
  const run = {
    runId,
    url,
    startedAt: startedAt.toISOString(),
    ...(endedAt && { endedAt: endedAt.toISOString() }),
  };
  if (status === 'RUNNING' || status === 'PENDING_REDRIVE') return { ...run, status: 'RUNNING' };
  if (status !== 'SUCCEEDED') return { ...run, status: 'FAILED', error: errorOf(execution) };
  const report = JSON.parse(execution.output ?? '{}') as Report;
  const { action, totals } = report;
  return { ...run, status: report.status, action, summary: summaryOf(report), totals };
}

/** Returns the report's error, or describes an execution that was stopped or timed out. */
function errorOf({ status, error, cause }: Execution): { name: string; message: string } {
  return {
    name: error || 'RunStopped',
    message: cause || `the execution ended as ${status}`,
  };
}

function summaryOf({ reason, totals, config }: Report): string {
  if (reason !== undefined) return reason;
  const { images, copied, skipped, failed } = totals;
  const changed = config.filter(({ status }) => status === 'updated' || status === 'reset').length;
  return `${images} images: ${copied} copied, ${skipped} already present, ${failed} failed; fields changed: ${changed}`;
}
