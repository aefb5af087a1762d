import { nearest } from '../text/nearest.ts';

/** Inputs of the Terraform solution in harness-community/solutions-architecture, each with what it is here. */
const terraformNames: Readonly<Record<string, string>> = {
  container_registry: '"registry"',
  container_registry_connector_ref: 'the variable CONTAINER_REGISTRY_CONNECTOR',
  harness_api_key_secret: 'the variable HARNESS_API_KEY_SECRET',
  harness_platform_url: 'the variable HARNESS_URL',
  max_build_concurrency: '"max_concurrency"',
  modify_default_image_config: '"modify_default"',
  organization_name: 'the variable ORG_ID',
  project_name: 'the variable PROJECT_ID',
  schedule: 'the variable SCHEDULE',
};

/** Returns what an unknown key of an input may stand for. */
export function meantBy(key: string, keys: readonly string[]): string | undefined {
  const [original] = nearest(key, Object.keys(terraformNames), 1);
  const [known] = nearest(key, keys, 1);
  if (original !== undefined) return `here it is ${terraformNames[original]}`;
  return known === undefined ? undefined : `did you mean ${JSON.stringify(known)}?`;
}
