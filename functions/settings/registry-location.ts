import {
  looksLikeRegistry,
  parseRegistryLocation,
  ReferenceSyntaxError,
  type RegistryLocation,
} from '../oci/spec/reference.ts';

/**
 * Parses a registry as people write it, also pasted with `https://` and a trailing slash. Refuses a host of one word:
 * clients that pull the image would read it as a namespace at Docker Hub. Throws `ReferenceSyntaxError`.
 */
export function registryLocation(text: string): RegistryLocation {
  const location = parseRegistryLocation(withoutScheme(text));
  if (looksLikeRegistry(location.registry)) return location;
  throw new ReferenceSyntaxError(
    `"${location.registry}" is not a registry host: it has neither a dot nor a port, such as ${location.registry}:443`,
  );
}

/** Turns a registry's address as a browser shows it into a name. */
export function withoutScheme(text: string): string {
  return text.replace(/^https:\/\//i, '');
}
