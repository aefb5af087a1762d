import { type ConfigScope, harnessModules, infrastructureTypes, isSameScope } from '../harness/scope.ts';
import type { Runtime } from '../runtime/runtime.ts';

/** Reads the overrides of all scopes, because another module than the run's may use the same copy. */
export async function overridesInUse(
  scopes: readonly (ConfigScope & { overrides: Record<string, string> })[],
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<string[]> {
  const harness = await runtime.harness();
  const values: string[] = [];
  for (const module of harnessModules) {
    for (const infrastructureType of module === 'ci' ? infrastructureTypes : (['K8'] as const)) {
      const scope = { module, infrastructureType };
      const known = scopes.find((candidate) => isSameScope(candidate, scope))?.overrides;
      values.push(...Object.values(known ?? (await harness.overrides(scope, signal))));
    }
  }
  return values;
}
