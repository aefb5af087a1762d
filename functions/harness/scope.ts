/** The Harness modules that keep an execution configuration of their own. */
export const harnessModules = ['ci', 'iacm', 'idp'] as const;
export type HarnessModule = (typeof harnessModules)[number];

/** Harness Cloud (`DLITE_VM`) has no configuration to override. */
export const infrastructureTypes = ['K8', 'VM'] as const;
export type InfrastructureType = (typeof infrastructureTypes)[number];

/** Whose images a configuration names: one module's on one kind of build infrastructure. */
export interface ConfigScope {
  module: HarnessModule;
  infrastructureType: InfrastructureType;
}

export function isSameScope(a: ConfigScope, b: ConfigScope): boolean {
  return a.module === b.module && a.infrastructureType === b.infrastructureType;
}

/** Where the gateway mounts each module; IACM's service has another name than its module. */
const mounts: Record<HarnessModule, string> = { ci: 'ci', iacm: 'iacm-manager', idp: 'idp' };

export type ExecutionConfigOperation = 'get-default-config' | 'get-customer-config' | 'update-config' | 'reset-config';

/** The path of an operation below the gateway. */
export function executionConfigPath(module: HarnessModule, operation: ExecutionConfigOperation): string {
  return `${mounts[module]}/execution-config/${operation}`;
}
