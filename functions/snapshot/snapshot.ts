import type { ConfigScope } from '../harness/scope.ts';
import { isSameScope } from '../plan/changes.ts';
import type { TaskRun } from '../task.ts';

export interface SnapshotEvent {
  runId: string;
}

export interface SnapshotResult {
  /** How many fields are to be written, and how many to be unset. */
  updates: number;
  resets: number;
}

/** Keeps the overrides of every scope that is about to be written, so that they can be put back. */
export async function snapshot({ runId }: SnapshotEvent, { runtime, signal }: TaskRun): Promise<SnapshotResult> {
  const documents = runtime.run(runId);
  const { changes } = await documents.changes.get();
  const harness = await runtime.harness();
  const scopes: ConfigScope[] = [];
  for (const { module, infrastructureType } of changes) {
    const scope = { module, infrastructureType };
    if (!scopes.some((known) => isSameScope(known, scope))) scopes.push(scope);
  }
  await documents.snapshot.put({
    runId,
    accountId: harness.accountId,
    takenAt: new Date().toISOString(),
    scopes: await Promise.all(
      scopes.map(async (scope) => ({ ...scope, overrides: await harness.overrides(scope, signal) })),
    ),
  });
  const resets = changes.filter(({ to }) => to === null).length;
  return { updates: changes.length - resets, resets };
}
