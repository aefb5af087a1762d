import { type ConfigScope, everyScope } from '../harness/scope.ts';
import type { RegistryLocation } from '../oci/spec/reference.ts';
import type { RunSettings } from '../settings/run-settings.ts';
import type { Runtime } from '../runtime/runtime.ts';

/** An image of every account, for when the account cannot be read. */
export const anyImage = 'harness/ci-addon:latest';

/** The subject of the checks: a deployment or a machine, with what its runs would use. */
export interface Subject {
  runtime: Runtime;
  /** Absent when nothing names it. */
  registry: RegistryLocation | undefined;
  sources: readonly RegistryLocation[];
  scopes: readonly ConfigScope[];
  /** True when runs switch Harness, and when they change the connector. */
  switches: boolean;
  managesConnector: boolean;
  /** Tests that the state can be written. Absent where each run shows that. */
  prepareState?: (() => Promise<void>) | undefined;
  /** The variables of proxies and CAs. */
  environment: Readonly<Record<string, string | undefined>>;
  /** Limits the checks, as well as interrupting them. */
  signal: AbortSignal;
}

/** Returns what runs with these settings would use. */
export function subjectOf({
  registry,
  sources,
  modules,
  infrastructureTypes,
  modifyDefault,
  manageConnector,
}: RunSettings): Pick<Subject, 'registry' | 'sources' | 'scopes' | 'switches' | 'managesConnector'> {
  return {
    registry,
    sources,
    scopes: everyScope.filter(
      (scope) => modules.includes(scope.module) && infrastructureTypes.includes(scope.infrastructureType),
    ),
    switches: modifyDefault,
    managesConnector: manageConnector,
  };
}
