import { type ConfigScope, everyScope, isSameScope } from '../harness/scope.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import { ifServed } from './overrides-in-use.ts';

/** The configuration of one scope. */
export interface ScopeConfiguration extends ConfigScope {
  /** Field → official image. */
  defaults: Record<string, string>;
  /** Field → image that the account uses instead. */
  overrides: Record<string, string>;
}

/** Reads one scope. */
export async function readScope(
  { module, infrastructureType }: ConfigScope,
  { runtime, signal }: TaskRun,
): Promise<ScopeConfiguration> {
  const scope = { module, infrastructureType };
  const harness = await runtime.harness();
  const [defaults, overrides] = await Promise.all([
    harness.defaultConfig(scope, signal),
    harness.overrides(scope, signal),
  ]);
  return { ...scope, defaults, overrides };
}

/** Reads every scope that the installation serves, but for those that are known. */
export async function readEveryScope(
  known: readonly ScopeConfiguration[],
  run: TaskRun,
): Promise<ScopeConfiguration[]> {
  const found = await Promise.all(
    everyScope.map(
      async (scope) =>
        known.find((each) => isSameScope(each, scope)) ??
        ifServed<ScopeConfiguration | undefined>(scope, () => readScope(scope, run), undefined),
    ),
  );
  return found.filter((scope) => scope !== undefined);
}
