import { type ConfigScope, everyScope, isSameScope } from '../harness/scope.ts';
import type { RunSettings } from '../settings/run-settings.ts';

/** Returns the scopes to read. Only module ci has infrastructure types other than Kubernetes. */
export function scopesOf({ modules, infrastructureTypes }: RunSettings): ConfigScope[] {
  return modules.flatMap((module) =>
    infrastructureTypes.flatMap((infrastructureType) =>
      everyScope.filter((scope) => isSameScope(scope, { module, infrastructureType })),
    ),
  );
}
