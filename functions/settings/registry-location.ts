import { parseEcrHost } from '../oci/registry/ecr-host.ts';
import { looksLikeRegistry, parseRegistryLocation, type RegistryLocation } from '../oci/spec/reference.ts';
import { TextSyntaxError } from '../text/text-syntax-error.ts';

/**
 * References of connectors of the account or the organization that cannot be taken for a host: people write hosts in
 * lower case, and a host has no "_" or "$".
 */
const connector = /^(?:account|org)\.(?=.*[A-Z_$])[A-Za-z_][A-Za-z0-9_$-]*$/;

/**
 * Parses a registry as people write it, also pasted with `https://` and a trailing slash. Refuses a host of one word:
 * clients that pull the image would read it as a namespace at Docker Hub. Refuses the reference of a connector, too.
 * Throws `TextSyntaxError`.
 */
export function registryLocation(text: string): RegistryLocation {
  if (connector.test(text))
    throw new TextSyntaxError('it is the reference of a Harness connector: put it into CONTAINER_REGISTRY_CONNECTOR');
  const location = parseRegistryLocation(withoutScheme(text));
  if (looksLikeRegistry(location.registry)) return location;
  throw new TextSyntaxError(
    `"${location.registry}" is not a registry host: it has neither a dot nor a port, such as ${location.registry}:443`,
  );
}

/** Returns true for a registry with a port or a path, which no identifier has. */
export function isRegistryAddress(text: string): boolean {
  if (!/[:/]/.test(text)) return false;
  try {
    return registryLocation(text) !== undefined;
  } catch {
    return false;
  }
}

/** Turns a registry's address as a browser shows it into a name. */
export function withoutScheme(text: string): string {
  return text.replace(/^https:\/\//i, '');
}

export function isSameLocation(one: RegistryLocation, other: RegistryLocation): boolean {
  return one.registry === other.registry && one.prefix === other.prefix;
}

/** Returns true if a location is `other`, or a prefix below it. */
export function isAtOrBelow({ registry, prefix }: RegistryLocation, other: RegistryLocation): boolean {
  if (registry !== other.registry) return false;
  return other.prefix === '' || prefix === other.prefix || prefix.startsWith(`${other.prefix}/`);
}

/**
 * Returns true if the permissions of a deployment that stores images at `own` cover a location. Those in ECR are for
 * `own` alone. Elsewhere, the registry decides by its credentials.
 */
export function isCovered({ registry, prefix }: RegistryLocation, own: RegistryLocation): boolean {
  const [host, ownHost] = [parseEcrHost(registry), parseEcrHost(own.registry)];
  if (host === undefined) return true;
  // One registry has several hosts.
  const isSame = host.accountId === ownHost?.accountId && host.region === ownHost.region;
  return isSame && isAtOrBelow({ registry: own.registry, prefix }, own);
}
