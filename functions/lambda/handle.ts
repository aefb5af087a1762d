import { Deadline } from '../oci/copy/deadline.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import { logged } from './logged.ts';
import { type LambdaParts, lambdaRuntime } from './runtime.ts';

/** Wraps a task as a Lambda handler: logs each call, and fails with errors that the workflow can read. */
export function handle<Event, Result>(task: (event: Event, run: TaskRun) => Promise<Result>, parts?: LambdaParts) {
  return logged(async (event: Event, context): Promise<Result> => {
    const deadline = Deadline.in(context.getRemainingTimeInMillis());
    return task(event, { runtime: lambdaRuntime(parts), deadline });
  });
}
