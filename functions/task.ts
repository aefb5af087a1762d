import { type ErrorDocument, FactoryError } from './errors.ts';
import { Deadline } from './oci/copy/deadline.ts';
import type { Runtime, RuntimeParts } from './runtime/runtime.ts';

/** The part of Lambda's context that tasks use, and what an engine in one process passes in its place. */
export interface TaskContext {
  /** Given by an engine that runs tasks in its own process; on Lambda each function makes its own. */
  runtime?: Runtime;
  signal?: AbortSignal;
  /** Lambda's own: how long until the task is ended from outside. */
  getRemainingTimeInMillis?(): number;
}

export interface TaskRun {
  runtime: Runtime;
  signal: AbortSignal | undefined;
  /** By when the task returns; absent where nobody ends it. */
  deadline?: Deadline | undefined;
}

/**
 * Step Functions refuses causes above 32,768 characters; Lambda's holds the message twice (again in its trace), each
 * time with its quotes escaped.
 */
const messageLimit = 4_000;
const problemsLimit = 8_000;

/** The error that the workflow sees: matched by name, its message the whole document as JSON. */
class TaskError extends Error {
  constructor(error: FactoryError) {
    super(JSON.stringify(bounded(error.toJSON())), { cause: error });
    this.name = error.name;
  }
}

function bounded({ message, problems, ...document }: ErrorDocument): ErrorDocument {
  const text = message.length > messageLimit ? `${message.slice(0, messageLimit)}…` : message;
  if (!problems) return { ...document, message: text };
  let room = problemsLimit;
  const shown = problems.filter((problem) => (room -= JSON.stringify(problem).length) >= 0);
  const more = problems.length - shown.length;
  return { ...document, message: more > 0 ? `${text}; ${more} of them are not shown` : text, problems: shown };
}

/** Who writes down how the calls of tasks go. */
export interface CallLog {
  started(event: unknown, context: TaskContext): void;
  finished(result: unknown): void;
  failed(error: FactoryError): void;
}

/** Where a task runs. */
export interface Host {
  /** Absent where progress is watched. */
  log?: CallLog;
  startRuntime(): Promise<Runtime>;
}

/** What only one task needs on Lambda, so that the bundles of the others go without it. */
export type LambdaParts = () => Promise<Partial<RuntimeParts>>;

/** Wraps a task as a Lambda handler. */
export function handle<Event, Result>(
  task: (event: Event, run: TaskRun) => Promise<Result>,
  lambdaParts?: LambdaParts,
) {
  return async (event: Event, context: TaskContext): Promise<Result> => {
    const host = await hostOf(context, lambdaParts);
    host.log?.started(event, context);
    try {
      context.signal?.throwIfAborted();
      const runtime = await host.startRuntime();
      const remaining = context.getRemainingTimeInMillis?.();
      const deadline = remaining === undefined ? undefined : Deadline.in(remaining);
      const result = await task(event, { runtime, signal: context.signal, deadline });
      host.log?.finished(result);
      return result;
    } catch (thrown) {
      const error = context.signal?.aborted ? interrupted() : FactoryError.from(thrown);
      host.log?.failed(error);
      throw new TaskError(error);
    }
  };
}

async function hostOf({ runtime }: TaskContext, parts?: LambdaParts): Promise<Host> {
  // Loaded on Lambda only: a run in one process needs no AWS SDK.
  return runtime ? { startRuntime: async () => runtime } : (await import('./lambda/runtime.ts')).lambdaHost(parts);
}

function interrupted(): FactoryError {
  return new FactoryError('Interrupted', 'the run was interrupted', {
    hint: 'Start it again: what was copied stays, and the rest goes on from there.',
  });
}
