import {
  isInside,
  looksLikeRegistry,
  parseRegistryLocation,
  type Reference,
  type RegistryLocation,
} from '../oci/spec/reference.ts';
import { nearest } from '../text/nearest.ts';
import { own } from '../text/own.ts';
import { registryLocation } from './registry-location.ts';
import { TextSyntaxError } from '../text/text-syntax-error.ts';

/**
 * Registries where Harness publishes its images (https://developer.harness.io, "Harness CI images"). Each path mirrors
 * Docker Hub's.
 */
const officialSources: Readonly<Record<string, string>> = {
  dockerhub: 'docker.io',
  gar: 'us-docker.pkg.dev/gar-prod-setup/harness-public',
  'ecr-public': 'public.ecr.aws/harness',
};

/** Other names that people use for them. */
const otherNames: Readonly<Record<string, string>> = { ecr: 'ecr-public', docker: 'dockerhub', hub: 'dockerhub' };

/** Returns the location of a source: `gar`, `ecr-public`, `dockerhub` or an address. Throws `TextSyntaxError`. */
export function sourceLocation(name: string): RegistryLocation {
  const official = own(officialSources, name);
  if (official !== undefined) return parseRegistryLocation(official);
  const [host = ''] = name.split('/');
  const [meant] = looksLikeRegistry(host)
    ? []
    : nearest(host, [...Object.keys(officialSources), ...Object.keys(otherNames)]);
  if (meant === undefined) return registryLocation(name);
  throw new TextSyntaxError(`did you mean ${JSON.stringify(otherNames[meant] ?? meant)}?`);
}

/** Returns the name of the source that has an image: `gar`, `ecr-public`, `dockerhub`, or the host. */
export function sourceName(reference: Reference): string {
  const official = Object.keys(officialSources).find((name) => isInside(reference, sourceLocation(name)));
  return official ?? reference.registry;
}

export const officialLocations: readonly RegistryLocation[] = Object.keys(officialSources).map(sourceLocation);
