import { isSameScope, type ConfigScope } from '../harness/scope.ts';
import { changedMeanwhile } from '../overrides/agreement.ts';
import { holdBack } from '../overrides/pairs.ts';
import { readForChange, switchBlocked } from '../overrides/connector-change.ts';
import { readEveryScope } from '../overrides/scope-configuration.ts';
import { resolveFields } from '../overrides/pulls.ts';
import { checkWritePermission } from '../overrides/write-permission.ts';
import type { ConnectorChange, FieldChange, Plan, Snapshot } from '../state/documents.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import { checkPullable } from './pullable.ts';
import { own } from '../text/own.ts';

export interface SnapshotEvent {
  runId: string;
}

export interface SnapshotResult {
  /** Number of fields to set, and to unset. The connector counts as one. */
  updates: number;
  resets: number;
}

/**
 * Stores the overrides of every scope, and the connector that the run changes, before the write, for a rollback. Drops
 * the change of a field that somebody else changed since the plan, perhaps hours ago.
 */
export async function snapshot({ runId }: SnapshotEvent, { runtime, signal }: TaskRun): Promise<SnapshotResult> {
  const documents = runtime.run(runId);
  const planned = await documents.changes.get();
  const plan = await runtime.plan(runId);
  const harness = await runtime.harness();
  const scopes: ConfigScope[] = [];
  for (const { module, infrastructureType } of planned.changes) {
    const scope = { module, infrastructureType };
    if (!scopes.some((known) => isSameScope(known, scope))) scopes.push(scope);
  }
  const [before, connector] = await Promise.all([
    Promise.all(scopes.map(async (scope) => ({ ...scope, overrides: await harness.overrides(scope, signal) }))),
    plan.connector && connectorBefore(plan, plan.connector, planned.changes, { runtime, signal }),
    checkPullable(plan, planned.changes, { runtime, signal }),
  ]);
  const { changes, held } = holdBack(planned.changes, (change) => {
    const overrides = before.find((scope) => isSameScope(scope, change))?.overrides ?? {};
    const now = own(overrides, change.field) ?? null;
    return now === change.from ? undefined : changedMeanwhile;
  });
  const { accountId } = harness;
  const takenAt = new Date().toISOString();
  await documents.snapshot.put({ runId, accountId, takenAt, scopes: before, ...(connector && { connector }) });
  await documents.changes.put({ changes, held: [...planned.held, ...held] });
  const resets = changes.filter(({ to }) => to === null).length;
  // A restore changes the connector last, after the fields that it resets.
  const [first, last] = !connector ? [0, 0] : plan.action === 'restore' ? [0, 1] : [1, 0];
  return { updates: changes.length - resets + first, resets: resets + last };
}

/**
 * Reads the connector before its change, and checks again what may have changed since the plan, perhaps hours ago: the
 * permission, the connector, and the overrides of every module.
 */
async function connectorBefore(
  { action, pulls = [] }: Plan,
  change: ConnectorChange,
  changes: readonly FieldChange[],
  run: TaskRun,
): Promise<Snapshot['connector']> {
  const [{ document }] = await Promise.all([readForChange(change, run), checkWritePermission(run, change)]);
  if (action !== 'restore') {
    const known = new Set(pulls.map(({ reference }) => reference));
    const scopes = await readEveryScope([], run);
    const fresh = resolveFields(scopes, changes, change.to.dockerRegistryUrl);
    const late = fresh.filter(({ reference }) => !known.has(reference)).flatMap(({ fields }) => fields);
    if (late.length > 0) throw switchBlocked(`the images of ${late.join(', ')} were changed during the run`);
  }
  return { ...change, document };
}
