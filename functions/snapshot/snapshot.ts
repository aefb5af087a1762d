import { isSameScope, type ConfigScope } from '../harness/scope.ts';
import { holdBack } from '../overrides/pairs.ts';
import type { TaskRun } from '../task.ts';
import { checkPullable } from './pullable.ts';
import { own } from '../text/own.ts';

export interface SnapshotEvent {
  runId: string;
}

export interface SnapshotResult {
  /** Number of fields to set, and to unset. */
  updates: number;
  resets: number;
}

/**
 * Stores the overrides of every scope before the write, for a rollback. Drops the change of a field that somebody else
 * changed since the plan, perhaps hours ago.
 */
export async function snapshot({ runId }: SnapshotEvent, { runtime, signal }: TaskRun): Promise<SnapshotResult> {
  const documents = runtime.run(runId);
  const planned = await documents.changes.get();
  const harness = await runtime.harness();
  const scopes: ConfigScope[] = [];
  for (const { module, infrastructureType } of planned.changes) {
    const scope = { module, infrastructureType };
    if (!scopes.some((known) => isSameScope(known, scope))) scopes.push(scope);
  }
  const [before] = await Promise.all([
    Promise.all(scopes.map(async (scope) => ({ ...scope, overrides: await harness.overrides(scope, signal) }))),
    checkPullable(await documents.plan.get(), planned.changes, { runtime, signal }),
  ]);
  const { changes, held } = holdBack(planned.changes, (change) => {
    const overrides = before.find((scope) => isSameScope(scope, change))?.overrides ?? {};
    const now = own(overrides, change.field) ?? null;
    return now === change.from ? undefined : 'was changed by someone else during the run';
  });
  const { accountId } = harness;
  await documents.snapshot.put({ runId, accountId, takenAt: new Date().toISOString(), scopes: before });
  await documents.changes.put({ changes, held: [...planned.held, ...held] });
  const resets = changes.filter(({ to }) => to === null).length;
  return { updates: changes.length - resets, resets };
}
