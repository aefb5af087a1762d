import { setTimeout as sleep } from 'node:timers/promises';
import type { ConfigScope } from '../harness/scope.ts';
import type { Runtime } from '../runtime.ts';

/** What a field ought to be. */
interface Wanted extends ConfigScope {
  field: string;
  to: string | null;
}

/** A field that is something else. */
export interface Difference extends Wanted {
  now: string | null;
}

/** Reads the overrides back, at once and then with growing pauses, until they are as wanted; returns what is left. */
export async function waitForAgreement(
  wanted: readonly Wanted[],
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<Difference[]> {
  let differences = await compareOverrides(wanted, runtime, signal);
  for (const pause of runtime.readBackPausesMs) {
    if (differences.length === 0) break;
    await sleep(pause, undefined, signal && { signal });
    differences = await compareOverrides(wanted, runtime, signal);
  }
  return differences;
}

/** Compares once. */
export async function compareOverrides(
  wanted: readonly Wanted[],
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<Difference[]> {
  const harness = await runtime.harness();
  const scopes = Map.groupBy(wanted, ({ module, infrastructureType }) => `${module} ${infrastructureType}`);
  const differences: Difference[] = [];
  for (const fields of scopes.values()) {
    const [first] = fields;
    if (!first) continue;
    const { module, infrastructureType } = first;
    const overrides = await harness.overrides({ module, infrastructureType }, signal);
    for (const field of fields) {
      const now = overrides[field.field] ?? null;
      if (now !== field.to) differences.push({ ...field, now });
    }
  }
  return differences;
}

export function describeDifference({ module, infrastructureType, field, now, to }: Difference): string {
  return `${module} ${infrastructureType} ${field} is ${now ?? 'not overridden'}, not ${to ?? 'unset'}`;
}
