import { FactoryError } from '../errors.ts';
import type { Snapshot } from '../state/documents.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { runsAmong } from '../state/run-documents.ts';

/** Reads the snapshot that a restore writes back. Throws `SnapshotNotFound`, also for a snapshot of another account. */
export async function readSnapshot(restoreRun: string, runtime: Runtime): Promise<Snapshot> {
  const snapshot = await runtime.run(restoreRun).snapshot.find();
  const { accountId } = await runtime.harness();
  if (snapshot?.accountId === accountId) return snapshot;
  throw new FactoryError('SnapshotNotFound', `there is no snapshot of run ${restoreRun} for account ${accountId}`, {
    hint: `Only a run that changed the configuration has one. To find it, ${runtime.place.findRuns}.`,
  });
}

/** Reads the snapshots of all runs, of every account that shares the state. */
export async function readSnapshots(runtime: Runtime): Promise<Snapshot[]> {
  const runs = runsAmong(await runtime.store.list('runs/'), ['snapshot.json']);
  return Promise.all(runs.map((runId) => runtime.run(runId).snapshot.get()));
}

/** Sorts snapshots by the time of their runs. */
export function newestFirst<Taken extends Pick<Snapshot, 'takenAt'>>(snapshots: readonly Taken[]): Taken[] {
  return snapshots.toSorted((a, b) => Date.parse(b.takenAt) - Date.parse(a.takenAt));
}
