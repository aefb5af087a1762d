import type { Deadline } from '../oci/copy/deadline.ts';
import type { Runtime } from './runtime.ts';

/** The part of a call of a task that is not its event. */
export interface TaskRun {
  runtime: Runtime;
  /** The time by which the task must return. Absent where nothing ends it. */
  deadline?: Deadline | undefined;
  /** Interrupts the task. Absent where nobody can. */
  signal?: AbortSignal | undefined;
}
