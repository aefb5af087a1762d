import { FactoryError } from '../errors.ts';
import { Deadline } from '../oci/copy/deadline.ts';
import type { TaskContext, TaskRun } from '../task.ts';
import { TaskError } from '../workflow-error.ts';
import type { Host, LambdaParts } from './runtime.ts';

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
  return runtime ? { startRuntime: async () => runtime } : (await import('./runtime.ts')).lambdaHost(parts);
}

function interrupted(): FactoryError {
  return new FactoryError('Interrupted', 'the run was interrupted', {
    hint: 'Start it again: what was copied stays, and the rest goes on from there.',
  });
}
