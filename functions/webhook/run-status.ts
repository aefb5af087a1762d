import type { Execution } from '../aws/executions.ts';
import { recoveredRun } from '../settings/recovery-input.ts';
import { report as reportSchema, type Report } from '../state/documents.ts';
import type { ConsoleLinks } from '../text/console.ts';
import { plannedImages } from '../state/planned-images.ts';

/** The status of a run, for clients that poll. */
export interface RunStatus {
  runId: string;
  status: 'RUNNING' | Report['status'];
  /** The URL of this status. */
  url: string;
  startedAt?: string;
  startedBy?: string;
  endedAt?: string;
  action?: Report['action'];
  /** A summary in one sentence. */
  summary?: string;
  totals?: Report['totals'];
  /** After a plan: the images to copy and those of fields to switch, comma-separated. */
  images?: string;
  /** After a plan: only those of fields to switch. */
  toSwitch?: string;
  error?: { name: string; message: string };
  /** Harness after a run that was stopped or timed out. */
  harness?: HarnessAfterStop;
  /** The addresses of the execution and, when it has ended, of its page in the console of AWS. They ask who reads them. */
  console?: ConsoleLinks;
}

/**
 * - `restoring`: another execution is putting Harness back
 * - `restored`: Harness is as it was before the run
 * - `unchanged`: the run had changed nothing
 * - `switched`: the run's changes were complete and verified, and are kept
 * - `not-restored`: the rollback failed, and `error` names the fields
 */
type HarnessAfterStop = 'restoring' | 'restored' | 'unchanged' | 'switched' | 'not-restored';

/**
 * Returns true when Step Functions ended the execution, so that another execution writes the report of the run. The
 * execution that puts another run back has no such report.
 */
function isReportedByAnother({ status, error, input }: Execution): boolean {
  const ended =
    status === 'ABORTED' || status === 'TIMED_OUT' || (status === 'FAILED' && !!error?.startsWith('States.'));
  return ended && recoveredRun(JSON.parse(input ?? '{}')) === undefined;
}

/** Returns true when the output of an execution is not the whole report of its run: another wrote it, or it is long. */
export function isStoredElsewhere(execution: Execution): boolean {
  if (isReportedByAnother(execution)) return true;
  if (execution.status !== 'SUCCEEDED') return false;
  const { images, totals } = outputOf(execution);
  return images.length !== totals.images;
}

interface RunFacts {
  runId: string;
  /** The URL of the status. */
  url: string;
  execution: Execution;
  /** The stored report, where the output of the execution does not suffice; `undefined` until it is written. */
  report?: Report | undefined;
  links?: ConsoleLinks | undefined;
}

export function runStatus({ runId, url, execution, report, links }: RunFacts): RunStatus {
  const { status, startedAt, endedAt } = execution;
  const hasEnded = status !== 'RUNNING' && status !== 'PENDING_REDRIVE';
  const startedBy = startedByOf(execution);
  const run = {
    runId,
    url,
    startedAt: startedAt.toISOString(),
    ...(startedBy !== undefined && { startedBy }),
    ...(endedAt && { endedAt: endedAt.toISOString() }),
    ...(links && { console: hasEnded ? links : { execution: links.execution } }),
  };
  if (!hasEnded) return { ...run, status: 'RUNNING' };
  if (isReportedByAnother(execution)) {
    if (!report) return { ...run, status: 'FAILED', error: errorOf(execution), harness: 'restoring' };
    return { ...run, ...outcomeOf(report), harness: harnessAfter(report) };
  }
  if (status !== 'SUCCEEDED') return { ...run, status: 'FAILED', error: errorOf(execution) };
  return { ...run, ...outcomeOf(report ?? outputOf(execution)) };
}

function outcomeOf(report: Report): Omit<RunStatus, 'runId' | 'url'> {
  const { status, action, totals, error } = report;
  if (error) return { status, action, error: { name: error.name, message: `${error.message}. ${error.hint}` } };
  return {
    status,
    action,
    summary: summaryOf(report),
    totals,
    ...(action === 'plan' && plannedImages(report)),
  };
}

function outputOf({ output = 'null' }: Execution): Report {
  return reportSchema.parse(JSON.parse(output));
}

function harnessAfter({ error, config, connector }: Report): HarnessAfterStop {
  if (error?.name === 'RollbackFailed') return 'not-restored';
  const outcomes = [...config, ...(connector ? [connector] : [])].map(({ status }) => status);
  if (outcomes.includes('rolled-back')) return 'restored';
  const written = outcomes.some((status) => status === 'updated' || status === 'reset' || status === 'changed');
  return written ? 'switched' : 'unchanged';
}

/** The input may be any JSON value: anyone who may start executions writes it. */
function startedByOf({ input }: Execution): string | undefined {
  const { started_by: startedBy } = (JSON.parse(input ?? '{}') ?? {}) as { started_by?: unknown };
  return typeof startedBy === 'string' ? startedBy : undefined;
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
