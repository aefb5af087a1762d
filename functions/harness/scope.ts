/** The Harness modules that have an execution configuration of their own. */
export const harnessModules = ['ci', 'iacm', 'idp', 'dbops'] as const;
export type HarnessModule = (typeof harnessModules)[number];

const supplyChain = 'its images are fields of ci, those of include_sets "supply-chain"';

/** Modules without a configuration of their own that is known, each with where its images are. */
export const otherModules: Readonly<Record<string, string>> = {
  CD: 'it has no configuration that is known; extra_sets "cd-steps" copies the images of its steps',
  SCS: supplyChain,
  SSCA: supplyChain,
  STO: 'its plugin is a field of ci, that of include_sets "sto"; extra_sets "sto-scanners" copies its scanners',
};

/** Kinds of build infrastructure. Harness Cloud (`DLITE_VM`) has no configuration to override. */
export const infrastructureTypes = ['K8', 'VM'] as const;
export type InfrastructureType = (typeof infrastructureTypes)[number];

/** Kinds of build infrastructure without a configuration of their own that is known, each with what is known. */
export const otherInfrastructureTypes: Readonly<Record<string, string>> = {
  // Newer code of ci-manager tests that the default images of ECS are those of K8.
  ECS: 'its default images are those of K8, and no public source shows overrides for ECS',
  DLITE_VM: 'Harness Cloud has no configuration of its own, and can use the overrides of VM',
  CLOUD: 'Harness Cloud has no configuration of its own, and can use the overrides of VM',
};

/** One module on one kind of build infrastructure. Modules other than `ci` run on Kubernetes only. */
export interface ConfigScope {
  module: HarnessModule;
  infrastructureType: InfrastructureType;
}

export function isSameScope(a: ConfigScope, b: ConfigScope): boolean {
  return a.module === b.module && a.infrastructureType === b.infrastructureType;
}

/** Every configuration of an account. */
export const everyScope: readonly ConfigScope[] = harnessModules.flatMap((module) =>
  infrastructureTypes
    .filter((infrastructureType) => module === 'ci' || infrastructureType === 'K8')
    .map((infrastructureType) => ({ module, infrastructureType })),
);

/** Path of each module at the gateway. The service of IACM has another name than the module. */
const mounts: Record<HarnessModule, string> = { ci: 'ci', iacm: 'iacm-manager', idp: 'idp', dbops: 'v1/dbops' };

export type ExecutionConfigOperation = 'get-default-config' | 'get-customer-config' | 'update-config' | 'reset-config';

export function executionConfigPath(module: HarnessModule, operation: ExecutionConfigOperation): string {
  return `${mounts[module]}/execution-config/${operation}`;
}
