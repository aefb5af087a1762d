import type { Deadline } from './oci/copy/deadline.ts';
import type { Runtime } from './runtime/runtime.ts';

/** The part of Lambda's context that tasks use. An engine in one process passes the same object. */
export interface TaskContext {
  /** The runtime of an engine in one process. On Lambda, each function creates its own. */
  runtime?: Runtime;
  signal?: AbortSignal;
  /** Lambda's function that returns the time until it ends the task, in milliseconds. */
  getRemainingTimeInMillis?(): number;
}

export interface TaskRun {
  runtime: Runtime;
  signal: AbortSignal | undefined;
  /** The time by which the task must return; absent where nothing ends it. */
  deadline?: Deadline | undefined;
}
