import { parseRegistryLocation, type RegistryLocation } from '../oci/reference.ts';

/** Where Harness publishes its images (https://developer.harness.io, "Harness CI images"); each path mirrors Docker Hub's. */
const officialSources: Readonly<Record<string, string>> = {
  dockerhub: 'docker.io',
  gar: 'us-docker.pkg.dev/gar-prod-setup/harness-public',
  'ecr-public': 'public.ecr.aws/harness',
};

/** The source that is named `gar`, `ecr-public`, `dockerhub`, or by its own address. Throws `ReferenceSyntaxError`. */
export function sourceLocation(name: string): RegistryLocation {
  return parseRegistryLocation((Object.hasOwn(officialSources, name) && officialSources[name]) || name);
}

export const officialLocations: readonly RegistryLocation[] = Object.keys(officialSources).map(sourceLocation);
