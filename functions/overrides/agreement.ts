import { setTimeout as sleep } from 'node:timers/promises';
import type { ConfigScope } from '../harness/scope.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import { own } from '../text/own.ts';
import { writing } from '../state/writes.ts';

/** A field with the value that it should have. */
interface Wanted extends ConfigScope {
  field: string;
  to: string | null;
}

/** A field that has another value. */
export type Difference<T extends Wanted = Wanted> = T & { now: string | null };

/** The reason why a field has neither the value before the run nor that of the run. */
export const changedMeanwhile = 'was changed by someone else during the run';

/** Reads the overrides back with growing pauses until they agree with `wanted`. Returns the remaining differences. */
export async function waitForAgreement<T extends Wanted>(wanted: readonly T[], run: TaskRun): Promise<Difference<T>[]> {
  const { runtime, signal } = run;
  let differences = await compareOverrides(wanted, run);
  for (const pause of runtime.readBackPausesMs) {
    if (differences.length === 0) break;
    const reason = `it does not show ${differences.length === 1 ? 'a written field' : `${differences.length} written fields`} yet`;
    if (pause >= 1_000)
      runtime.progress({ kind: 'wait', subject: 'Harness', reason, seconds: Math.ceil(pause / 1_000) });
    await sleep(pause, undefined, signal && { signal });
    differences = await compareOverrides(wanted, run);
  }
  return differences;
}

export async function compareOverrides<T extends Wanted>(
  wanted: readonly T[],
  { runtime, signal }: TaskRun,
): Promise<Difference<T>[]> {
  const harness = await runtime.harness();
  const differences: Difference<T>[] = [];
  for (const { module, infrastructureType, fields } of byScope(wanted)) {
    const overrides = await harness.overrides({ module, infrastructureType }, signal);
    for (const field of fields) {
      const now = own(overrides, field.field) ?? null;
      if (now !== field.to) differences.push({ ...field, now });
    }
  }
  return differences;
}

/** Writes fields one scope after the other. Throws `LockLost` when another run has taken the lock. */
export async function writeOverrides(
  runId: string,
  wanted: readonly Wanted[],
  { runtime, signal }: TaskRun,
): Promise<void> {
  const harness = await runtime.harness();
  for (const { module, infrastructureType, fields } of byScope(wanted)) {
    const scope = { module, infrastructureType };
    // Only between requests: Harness may still carry out a request that is aborted.
    signal?.throwIfAborted();
    const values = fields.flatMap(({ field, to }) => (to === null ? [] : [{ field, value: to }]));
    const unset = fields.flatMap(({ field, to }) => (to === null ? [field] : []));
    await writing(runtime.run(runId), runtime.lock, scope, async () => {
      await harness.updateConfig(scope, values);
      await harness.resetConfig(scope, unset);
    });
  }
}

function byScope<T extends Wanted>(wanted: readonly T[]): (ConfigScope & { fields: T[] })[] {
  const scopes = Map.groupBy(wanted, ({ module, infrastructureType }) => `${module} ${infrastructureType}`);
  return [...scopes.values()].flatMap((fields) => {
    const [first] = fields;
    return first ? [{ module: first.module, infrastructureType: first.infrastructureType, fields }] : [];
  });
}

export function describeDifference({ module, infrastructureType, field, now, to }: Difference): string {
  return `${module} ${infrastructureType} ${field} is ${now ?? 'not overridden'}, not ${to ?? 'unset'}`;
}
