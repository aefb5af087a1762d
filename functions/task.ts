import type { Deadline } from './oci/copy/deadline.ts';
import type { Runtime } from './runtime/runtime.ts';

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
