import { type ConfigScope, isSameScope } from '../harness/scope.ts';
import type { Writes } from './documents.ts';
import type { AccountLock } from './lock.ts';
import type { RunDocuments } from './run-documents.ts';

/** The longest life of a function. An older record was left by a function that was killed. */
const longestMs = 15 * 60_000;

/**
 * Runs `work`, which writes to Harness, while the run holds the lock. The write is recorded first and the lock checked
 * second: a run that takes the lock afterwards finds the record, and a run that took it before is found here.
 *
 * @throws {FactoryError} `LockLost` when another run has taken the lock.
 */
export async function writing<T>(
  documents: RunDocuments,
  lock: AccountLock,
  target: ConfigScope | 'connector',
  work: () => Promise<T>,
): Promise<T> {
  const document = documents.writes;
  const { since: _, ...before } = (await document.find()) ?? { begun: [] };
  const begun = withTarget(before, target);
  await document.put({ ...begun, since: new Date().toISOString() });
  try {
    await lock.hold(documents.runId);
    return await work();
  } finally {
    await document.put(begun);
  }
}

function withTarget(before: Writes, target: ConfigScope | 'connector'): Writes {
  if (target === 'connector') return { ...before, connector: true };
  const { module, infrastructureType } = target;
  if (before.begun.some((known) => isSameScope(known, target))) return before;
  return { ...before, begun: [...before.begun, { module, infrastructureType }] };
}

/** Returns whether a function of a run that was stopped may still be writing to Harness. */
export async function isWriting(documents: RunDocuments): Promise<boolean> {
  const { since } = (await documents.writes.find()) ?? {};
  return since !== undefined && Date.parse(since) + longestMs > Date.now();
}
