import { randomBytes } from 'node:crypto';
import { readWorkflowDefinition } from '../workflow-definition.ts';
import { type ErrorName, FactoryError } from '../../functions/errors.ts';
import type { Plan, Report } from '../../functions/state/documents.ts';
import { renewalMs, renewLock } from '../../functions/state/lock.ts';
import { parseErrorCause } from '../../functions/workflow-error.ts';
import type { Runtime } from '../../functions/runtime/runtime.ts';
import { type Definition, runWorkflow } from './engine.ts';
import { tasks, uninterruptible } from './tasks.ts';

export interface RunOptions {
  runtime: Runtime;
  input: unknown;
  /** Shown the plan of a run that would change Harness; `false` ends the run before anything is written. */
  confirm?: ((plan: Plan) => Promise<boolean>) | undefined;
  signal?: AbortSignal | undefined;
  runId?: string;
  /** Before a rollback, or a report, that failed is tried again, in milliseconds: somebody may be watching. Default: 5 s. */
  retryPauseMs?: number;
}

/** Runs the workflow once in this process and returns its report, whatever the outcome. */
export async function run(options: RunOptions): Promise<Report> {
  const { runtime, input, confirm, signal, runId = newRunId(), retryPauseMs = 5_000 } = options;
  const definition = JSON.parse(readWorkflowDefinition()) as Definition;
  // A copy, or a person at the question, may take longer than a lock lives. What fails here, the next write notices.
  const renewal = setInterval(() => void renewLock(runId, runtime).catch(() => undefined), renewalMs).unref();
  let told: Report | undefined;
  const announced = new Set<string>();
  const invoke = async (functionName: string, payload: unknown) => {
    const task = tasks[functionName];
    if (!task) throw new TypeError(`the workflow calls ${functionName}, which has no handler`);
    const news = announcements[functionName];
    // Once: a rollback that is tried again speaks for itself.
    if (news !== undefined && !announced.has(functionName)) runtime.progress({ kind: 'note', message: news });
    announced.add(functionName);
    const interruptible = signal && !uninterruptible.has(functionName);
    const result = await task(payload as never, { runtime, ...(interruptible && { signal }) });
    if (functionName === 'ReportFunction') told = withoutCause(result as Report);
    return functionName === 'PlanFunction' ? ask(result as object) : result;
  };
  // A report fails here for what lies on this machine, which no waiting mends.
  const pauses = { Rollback: retryPauseMs, Report: Math.min(100, retryPauseMs) };
  const outcome = await runWorkflow(definition, input, runId, invoke, pauses).finally(() => clearInterval(renewal));
  // The stored report is whole; the one that was returned is there even when it could not be stored.
  const report =
    (await runtime
      .run(runId)
      .report.find()
      .catch(() => undefined)) ?? told;
  if (report) return report;
  const { name, message, hint } = parseErrorCause({ Error: outcome.error ?? 'unknown', Cause: outcome.cause ?? '' });
  throw new FactoryError(name as ErrorName, `the run ended without a report: ${message}`, { hint });

  async function ask(planned: object): Promise<object> {
    const document = runtime.run(runId).plan;
    const plan = await document.get();
    const switches = plan.changes.length > 0 && (plan.modifyDefault || plan.action !== 'sync');
    if (!confirm || plan.action === 'plan' || plan.action === 'verify' || !switches || (await confirm(plan)))
      return planned;
    await document.put({
      ...plan,
      skipped: 'the switch was not confirmed; nothing was copied and nothing was changed',
    });
    return { ...planned, route: 'report' };
  }
}

/** The cause is for the console of Step Functions. */
function withoutCause({ cause: _, ...report }: Report & { cause?: string }): Report {
  return report;
}

/** What is said when a step begins; copies speak for themselves. */
const announcements: Readonly<Record<string, string>> = {
  PlanFunction: 'asking Harness and the registries what there is',
  ScanFunction: 'looking at the scans',
  UpdateConfigFunction: 'switching Harness',
  ResetConfigFunction: 'resetting Harness',
  VerifyFunction: 'verifying',
  PruneFunction: 'deleting what nothing uses',
  RollbackFunction: 'putting Harness back as it was',
};

/** Sorts by time, and is a valid execution name. */
function newRunId(): string {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
  return `${time}-${randomBytes(3).toString('hex')}`;
}
