import { type ErrorDocument, FactoryError } from './errors.ts';
import type { Runtime } from './runtime.ts';

/** The part of Lambda's context that tasks use, and what an engine in one process passes in its place. */
export interface TaskContext {
  /** Given by an engine that runs tasks in its own process; on Lambda each function makes its own. */
  runtime?: Runtime;
  signal?: AbortSignal;
}

export interface TaskRun {
  runtime: Runtime;
  signal: AbortSignal | undefined;
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

let lambdaRuntime: Promise<Runtime> | undefined;

/** Wraps a task as a Lambda handler. */
export function handle<Event, Result>(task: (event: Event, run: TaskRun) => Promise<Result>) {
  return async (event: Event, context: TaskContext): Promise<Result> => {
    try {
      context.signal?.throwIfAborted();
      const runtime = context.runtime ?? (await (lambdaRuntime ??= startLambdaRuntime()));
      return await task(event, { runtime, signal: context.signal });
    } catch (error) {
      if (context.signal?.aborted) throw new TaskError(interrupted());
      throw new TaskError(FactoryError.from(error));
    }
  };
}

/** Loaded on Lambda only: a run in one process needs no AWS SDK. */
async function startLambdaRuntime(): Promise<Runtime> {
  try {
    const { createLambdaRuntime } = await import('./lambda-runtime.ts');
    return await createLambdaRuntime(process.env);
  } catch (error) {
    // A warm function must not fail for ever.
    lambdaRuntime = undefined;
    throw error;
  }
}

function interrupted(): FactoryError {
  return new FactoryError('Interrupted', 'the run was interrupted', {
    hint: 'Start it again: what was copied stays, and the rest goes on from there.',
  });
}
