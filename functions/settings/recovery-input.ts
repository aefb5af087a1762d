import * as z from 'zod';
import { runIdPattern } from './input-schema.ts';

const recoveryInput = z.strictObject({ recover_run: z.string().regex(runIdPattern) });

/** Returns the run that an execution with this input puts back, or `undefined` for the input of any other execution. */
export function recoveredRun(input: unknown): string | undefined {
  return recoveryInput.safeParse(input).data?.recover_run;
}

/** The error code with which the webhook stops an execution. The cause then says who requested it. */
export const stoppedByRequest = 'RunStopped';
