import { nearest } from '../text/nearest.ts';

/** Inputs of the Terraform solution in harness-community/solutions-architecture, each with its variable here. */
const terraformNames: Readonly<Record<string, string>> = {
  container_registry: 'REGISTRY_NAME',
  container_registry_connector_ref: 'CONTAINER_REGISTRY_CONNECTOR',
  enable_schedule: 'SCHEDULE',
  harness_api_key_secret: 'HARNESS_API_KEY_SECRET',
  harness_platform_url: 'HARNESS_URL',
  max_build_concurrency: 'MAX_CONCURRENCY',
  modify_default_image_config: 'MODIFY_DEFAULT',
  organization_name: 'ORG_ID',
  project_name: 'PROJECT_ID',
  schedule: 'SCHEDULE',
};

/** Variables that it has too or that those inputs became: people write them as keys of an input. */
const variables = [...Object.values(terraformNames), 'BUILD_PUSH_TEMPLATE', 'GATHER_SCAN_TEMPLATE'];

/** Inputs of it that nothing here stands for. */
const notNeeded = ['container_registry_type', 'kubernetes_connector_ref', 'kubernetes_namespace'];

/** Keys of an input that differ from the variable with the same meaning. */
const inputKeys: Readonly<Record<string, string>> = { REGISTRY_NAME: 'registry' };

/** Returns what an unknown key may stand for: one of `keys` (of an input or a deployment), or a variable. */
export function meantBy(key: string, keys: readonly string[]): string | undefined {
  const [original] = nearest(key, [...Object.keys(terraformNames), ...notNeeded], 1);
  const [known] = nearest(key, keys, 1);
  if (original !== undefined && notNeeded.includes(original))
    return 'leave it out: images are copied here, not built on a cluster';
  const isKnown = known !== undefined && letters(known) === letters(key);
  const variable = isKnown
    ? undefined
    : (variables.find((name) => letters(name) === letters(key)) ??
      (original === undefined ? undefined : terraformNames[original]));
  if (variable !== undefined) return `here it is ${placeOf(variable, keys)}`;
  return known === undefined ? undefined : `did you mean ${JSON.stringify(known)}?`;
}

function placeOf(variable: string, keys: readonly string[]): string {
  const names = new Set([variable, inputKeys[variable] ?? variable].map(letters));
  const key = keys.find((name) => names.has(letters(name)));
  return key === undefined ? `the variable ${variable}` : JSON.stringify(key);
}

/** Removes what distinguishes `max_concurrency`, `maxConcurrency` and `MAX_CONCURRENCY`. */
function letters(name: string): string {
  return name.replaceAll('_', '').toLowerCase();
}
