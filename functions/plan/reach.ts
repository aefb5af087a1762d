import { isOurs } from '../overrides/override.ts';
import type { FieldChange } from '../state/documents.ts';
import { copiesImages } from '../settings/input-schema.ts';
import type { RunSettings } from '../settings/run-settings.ts';
import type { ExtraSet } from '../settings/extra-sets.ts';
import { formatLocation } from '../oci/spec/reference.ts';

/** The fields of the images that start every step: https://developer.harness.io, "Harness CI images". */
const runtimeField = /^(?:addon|liteEngine)Tag/;

/**
 * Returns a warning for each place that a switch reaches beyond the CI stages of its infrastructure type. Only fields
 * that point at the registry for the first time count: a newer version there reaches nobody else.
 *
 * - Harness Cloud takes the image of VM for its own container steps (harness/harness-core, VM step
 *   serializers), and `account.harnessImage` as the connector.
 * - Step groups of CD that run in containers take the overrides of addon and lite engine before their own defaults.
 *
 * No field can be left out when the run changes the connector: the new address reaches each image without an override.
 */
export function reachWarnings(
  changes: readonly FieldChange[],
  { action, modifyDefault, registry }: Pick<RunSettings, 'action' | 'modifyDefault' | 'registry'>,
  changesConnector: boolean,
): string[] {
  if (!modifyDefault || (!copiesImages(action) && action !== 'plan')) return [];
  const first = changes.filter(({ from, to }) => to !== null && !(from !== null && isOurs(from, registry)));
  const place = formatLocation(registry);
  const warnings: string[] = [];
  if (first.some(({ infrastructureType }) => infrastructureType === 'VM'))
    warnings.push(
      `Harness Cloud uses the overrides of VM too: its container steps will pull from ${place}. ${changesConnector ? 'Make sure that Harness Cloud can, if you use it' : 'If Harness Cloud cannot reach it, take VM out of infrastructure_type'}`,
    );
  if (first.some(({ module, infrastructureType, field }) => isRuntime(module, infrastructureType, field)))
    warnings.push(
      `CD uses the overrides of addon and lite engine too: its containerized step groups will pull from ${place}. Make sure that their clusters can: see "Where a switch reaches" in docs/connectors.md`,
    );
  return warnings;
}

/** The sets of images that pods pull through the connector. */
export const setsOfPods: readonly ExtraSet[] = ['sto-scanners', 'cd-steps', 'ci-plugins'];

/**
 * Returns the step before a change of the connector to `address`: it reaches further than the fields of a run. Missing
 * images would fail there.
 */
export function connectorReachStep(address: string): string {
  return `Copy what else pods would pull from ${address}: the other modules and infrastructure_type that you use, and images that no field names, with extra_sets (${setsOfPods.join(', ')}).`;
}

function isRuntime(module: string, infrastructureType: string, field: string): boolean {
  return module === 'ci' && infrastructureType === 'K8' && runtimeField.test(field);
}
