import { FactoryError } from './errors.ts';
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

/** The error that the workflow sees: matched by name, its message the whole document as JSON. */
class TaskError extends Error {
  constructor(error: FactoryError) {
    super(JSON.stringify(error), { cause: error });
    this.name = error.name;
  }
}

let lambdaRuntime: Promise<Runtime> | undefined;

/** Wraps a task as a Lambda handler. */
export function handle<Event, Result>(task: (event: Event, run: TaskRun) => Promise<Result>) {
  return async (event: Event, context: TaskContext): Promise<Result> => {
    try {
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
  const { createLambdaRuntime } = await import('./aws/lambda-runtime.ts');
  return createLambdaRuntime(process.env);
}

function interrupted(): FactoryError {
  return new FactoryError('Interrupted', 'the run was interrupted', {
    hint: 'Start it again: what was copied stays, and the rest goes on from there.',
  });
}
