import { readWorkflowDefinition } from '../workflow-definition.ts';
import { type ErrorName, FactoryError } from '../../functions/errors.ts';
import type { Plan, Report } from '../../functions/state/documents.ts';
import type { TaskRun } from '../../functions/runtime/task-run.ts';
import { parseErrorCause, TaskError } from '../../functions/workflow-error.ts';
import type { Runtime } from '../../functions/runtime/runtime.ts';
import { copiesImages } from '../../functions/settings/input-schema.ts';
import { describeBundle } from './bundle-size.ts';
import { type Definition, runWorkflow } from './engine.ts';
import { newRunId } from './run-id.ts';
import { type Task, tasks, uninterruptible } from './tasks.ts';

export interface RunOptions {
  runtime: Runtime;
  input: unknown;
  /** Called with the plan of a run that would change Harness. `false` ends the run before anything is written. */
  confirm?: ((plan: Plan) => Promise<boolean>) | undefined;
  runId?: string;
  /** The pause before a failed rollback is retried, in milliseconds. Default: 5,000. */
  retryPauseMs?: number;
  signal?: AbortSignal | undefined;
}

/** Runs the workflow once in this process and returns its report, whatever the outcome. */
export async function run(options: RunOptions): Promise<Report> {
  const { runtime, input, confirm, signal, runId = newRunId(), retryPauseMs = 5_000 } = options;
  const definition = JSON.parse(readWorkflowDefinition()) as Definition;
  // A copy or a question may take longer than the lock is valid. The next write reports a failure to renew it.
  const { lock } = runtime;
  const renewal = setInterval(() => void lock.renew(runId).catch(() => undefined), lock.renewalMs).unref();
  let told: Report | undefined;
  const announced = new Set<string>();
  const invoke = async (functionName: string, payload: unknown) => {
    const task = tasks[functionName];
    if (!task) throw new TypeError(`the workflow calls ${functionName}, which is not a task`);
    const news = announcements[functionName];
    // Announce each step once. A retried rollback has its own notes.
    if (news !== undefined && !announced.has(functionName)) runtime.progress({ kind: 'note', message: news });
    announced.add(functionName);
    const interruption = uninterruptible.has(functionName) ? undefined : signal;
    const result = await call(task, payload, { runtime, signal: interruption });
    if (functionName === 'ReportFunction') told = withoutCause(result as Report);
    return functionName === 'PlanFunction' ? ask(result as object) : result;
  };
  // A local report fails because of this machine, which a longer pause does not help.
  const retryPausesMs = { Rollback: retryPauseMs, Report: Math.min(100, retryPauseMs) };
  const execution = { input, name: runId, invoke, retryPausesMs };
  const outcome = await runWorkflow(definition, execution).finally(() => clearInterval(renewal));
  // The stored report is complete. The returned one exists even if it could not be stored.
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
    const start = () => {
      if (copiesImages(plan.action)) announceCopies(plan, runtime);
      if (plan.action === 'export') announceBundle(plan, runtime);
      return planned;
    };
    const switches = (plan.changes.length > 0 || plan.connector) && (plan.modifyDefault || !copiesImages(plan.action));
    if (!confirm || plan.action === 'plan' || plan.action === 'verify' || !switches || (await confirm(plan)))
      return start();
    await document.put({
      ...plan,
      skipped: 'the switch was not confirmed; nothing was copied and nothing was changed',
    });
    return { ...planned, route: 'report' };
  }
}

/** Reports how much the copies are expected to move. */
function announceCopies({ images }: Plan, runtime: Runtime): void {
  const copies = images.filter((image) => image.status === 'copy');
  const bytes = copies.reduce((total, { uniqueSize = 0 }) => total + uniqueSize, 0);
  if (copies.length > 0) runtime.progress({ kind: 'copying', images: copies.length, bytes });
}

/** Reports the size of a bundle, and what each platform needs of it, before anything is written. */
function announceBundle({ bundle, images }: Plan, runtime: Runtime): void {
  // Lost parts have a size of their own, and nothing is written when an image failed.
  if (!bundle || runtime.parts.bundles?.again || images.some(({ status }) => status === 'failed')) return;
  runtime.progress({ kind: 'note', message: describeBundle(bundle) });
}

/** Calls a task. It fails with an error that the workflow can read, as its Lambda function does. */
async function call(task: Task, payload: unknown, run: TaskRun): Promise<unknown> {
  const { signal } = run;
  try {
    signal?.throwIfAborted();
    return await task(payload as never, run);
  } catch (thrown) {
    throw new TaskError(signal?.aborted ? interrupted() : FactoryError.from(thrown));
  }
}

function interrupted(): FactoryError {
  return new FactoryError('Interrupted', 'the run was interrupted', {
    hint: 'Start it again: what was copied is kept, and the run copies the rest.',
  });
}

/** Removes the cause, which is for the console of Step Functions. */
function withoutCause({ cause: _, ...report }: Report & { cause?: string }): Report {
  return report;
}

/** The notes at the start of steps. Copies have their own progress. */
const announcements: Readonly<Record<string, string>> = {
  PlanFunction: 'reading the Harness configuration and the registries',
  ExportFunction: 'writing the bundle',
  ScanFunction: 'checking scan results',
  UpdateConfigFunction: 'switching Harness',
  ResetConfigFunction: 'resetting Harness',
  VerifyFunction: 'verifying',
  PruneFunction: 'deleting unused copies',
  RollbackFunction: 'rolling back Harness',
};
