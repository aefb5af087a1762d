import { type ConfigScope, isSameScope } from '../harness/scope.ts';
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
  { module, infrastructureType }: ConfigScope,
  work: () => Promise<T>,
): Promise<T> {
  const document = documents.writes;
  const scope = { module, infrastructureType };
  const { begun: before } = (await document.find()) ?? { begun: [] };
  const begun = before.some((known) => isSameScope(known, scope)) ? before : [...before, scope];
  await document.put({ begun, since: new Date().toISOString() });
  try {
    await lock.hold(documents.runId);
    return await work();
  } finally {
    await document.put({ begun });
  }
}

/** Returns whether a function of a run that was stopped may still be writing to Harness. */
export async function isWriting(documents: RunDocuments): Promise<boolean> {
  const { since } = (await documents.writes.find()) ?? {};
  return since !== undefined && Date.parse(since) + longestMs > Date.now();
}
