import { FactoryError } from '../errors.ts';
import { TaskError } from '../workflow-error.ts';
import { type LambdaContext, log } from './log.ts';

/** Wraps a Lambda handler: logs each call, and fails with errors that name, message and hint can be read from. */
export function logged<Event, Result>(work: (event: Event, context: LambdaContext) => Promise<Result>) {
  return async (event: Event, context: LambdaContext): Promise<Result> => {
    log.started(event, context);
    try {
      const result = await work(event, context);
      log.finished(result);
      return result;
    } catch (thrown) {
      const error = FactoryError.from(thrown);
      log.failed(error);
      throw new TaskError(error);
    }
  };
}
