import {
  looksLikeRegistry,
  parseRegistryLocation,
  ReferenceSyntaxError,
  type RegistryLocation,
} from '../oci/spec/reference.ts';

/**
 * References of connectors of the account or the organization that cannot be taken for a host: people write hosts in
 * lower case, and a host has no "_" or "$".
 */
const connector = /^(?:account|org)\.(?=.*[A-Z_$])[A-Za-z_][A-Za-z0-9_$-]*$/;

/**
 * Parses a registry as people write it, also pasted with `https://` and a trailing slash. Refuses a host of one word:
 * clients that pull the image would read it as a namespace at Docker Hub. Refuses the reference of a connector, too.
 * Throws `ReferenceSyntaxError`.
 */
export function registryLocation(text: string): RegistryLocation {
  if (connector.test(text))
    throw new ReferenceSyntaxError(
      'it is the reference of a Harness connector: put it into CONTAINER_REGISTRY_CONNECTOR',
    );
  const location = parseRegistryLocation(withoutScheme(text));
  if (looksLikeRegistry(location.registry)) return location;
  throw new ReferenceSyntaxError(
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
