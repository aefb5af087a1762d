import { type ConfigScope, isSameScope } from '../harness/scope.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { holdLock } from './lock.ts';

/** The longest that a function lives. A note that is older was left by one that was killed. */
const longestMs = 15 * 60_000;

/**
 * Writes to Harness, in `work`, while the run holds the lock. The note comes first and the lock second: whoever takes the
 * lock over afterwards finds the note, and whoever took it before is found here. Throws `LockLost`.
 */
export async function writing<T>(
  runId: string,
  { module, infrastructureType }: ConfigScope,
  runtime: Runtime,
  work: () => Promise<T>,
): Promise<T> {
  const document = runtime.run(runId).writes;
  const scope = { module, infrastructureType };
  const { begun: before } = (await document.find()) ?? { begun: [] };
  const begun = before.some((known) => isSameScope(known, scope)) ? before : [...before, scope];
  await document.put({ begun, since: new Date().toISOString() });
  try {
    await holdLock(runId, runtime);
    return await work();
  } finally {
    await document.put({ begun });
  }
}

/** Returns whether a function of a run that was stopped may still be writing to Harness. */
export async function isWriting(runId: string, runtime: Runtime): Promise<boolean> {
  const { since } = (await runtime.run(runId).writes.find()) ?? {};
  return since !== undefined && Date.parse(since) + longestMs > Date.now();
}
