import { PathNotFound } from '../harness/failure.ts';
import { type ConfigScope, everyScope, isSameScope } from '../harness/scope.ts';
import type { TaskRun } from '../runtime/task-run.ts';

/**
 * Reads the overrides of all scopes, because another module than the run's may use the same copy. A module that the
 * installation does not have (a self-managed platform without IDP) has no overrides.
 */
export async function overridesInUse(
  scopes: readonly (ConfigScope & { overrides: Record<string, string> })[],
  { runtime, signal }: TaskRun,
): Promise<string[]> {
  const harness = await runtime.harness();
  const values: string[] = [];
  for (const scope of everyScope) {
    const known = scopes.find((candidate) => isSameScope(candidate, scope))?.overrides;
    values.push(...Object.values(known ?? (await ifServed(scope, () => harness.overrides(scope, signal), {}))));
  }
  return values;
}

/** Returns the result of a request for a scope, or `absent` when the installation does not serve the module. */
export async function ifServed<T>({ module }: ConfigScope, request: () => Promise<T>, absent: T): Promise<T> {
  try {
    return await request();
  } catch (error) {
    // Every installation has CI: there, the address is wrong.
    if (error instanceof PathNotFound && module !== 'ci') return absent;
    throw error;
  }
}
