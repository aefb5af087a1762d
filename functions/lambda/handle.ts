import { FactoryError } from '../errors.ts';
import { Deadline } from '../oci/copy/deadline.ts';
import type { TaskRun } from '../task.ts';
import { TaskError } from '../workflow-error.ts';
import { type LambdaContext, log } from './log.ts';
import { type LambdaParts, lambdaRuntime } from './runtime.ts';

/** Wraps a task as a Lambda handler: logs each call, and fails with errors that the workflow can read. */
export function handle<Event, Result>(task: (event: Event, run: TaskRun) => Promise<Result>, parts?: LambdaParts) {
  return async (event: Event, context: LambdaContext): Promise<Result> => {
    log.started(event, context);
    try {
      const deadline = Deadline.in(context.getRemainingTimeInMillis());
      const result = await task(event, { runtime: lambdaRuntime(parts), deadline });
      log.finished(result);
      return result;
    } catch (thrown) {
      const error = FactoryError.from(thrown);
      log.failed(error);
      throw new TaskError(error);
    }
  };
}
