import { FactoryError } from '../errors.ts';
import type { Snapshot } from '../state/documents.ts';
import type { Runtime } from '../runtime/runtime.ts';

/** Reads the snapshot that a restore writes back. Throws `SnapshotNotFound`, also for a snapshot of another account. */
export async function readSnapshot(restoreRun: string, runtime: Runtime): Promise<Snapshot> {
  const snapshot = await runtime.run(restoreRun).snapshot.find();
  const { accountId } = await runtime.harness();
  if (snapshot?.accountId === accountId) return snapshot;
  throw new FactoryError('SnapshotNotFound', `there is no snapshot of run ${restoreRun} for account ${accountId}`, {
    hint: `Only a run that changed the configuration has one. To find it, ${runtime.place.findRuns}.`,
  });
}
