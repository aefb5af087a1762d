import type { HarnessClient } from '../harness/client.ts';
import { PathNotFound } from '../harness/failure.ts';
import { type ConfigScope, harnessModules, infrastructureTypes, isSameScope } from '../harness/scope.ts';
import type { TaskRun } from '../task.ts';

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
  for (const module of harnessModules) {
    for (const infrastructureType of module === 'ci' ? infrastructureTypes : (['K8'] as const)) {
      const scope = { module, infrastructureType };
      const known = scopes.find((candidate) => isSameScope(candidate, scope))?.overrides;
      values.push(...Object.values(known ?? (await overridesOf(harness, scope, signal))));
    }
  }
  return values;
}

async function overridesOf(
  harness: HarnessClient,
  scope: ConfigScope,
  signal?: AbortSignal,
): Promise<Record<string, string>> {
  try {
    return await harness.overrides(scope, signal);
  } catch (error) {
    // Every installation has CI: there, the address is wrong.
    if (error instanceof PathNotFound && scope.module !== 'ci') return {};
    throw error;
  }
}
