import {
  looksLikeRegistry,
  parseRegistryLocation,
  ReferenceSyntaxError,
  type RegistryLocation,
} from '../oci/spec/reference.ts';

/**
 * Parses a registry as people write it, also pasted with `https://` and a trailing slash. A host of one word is refused:
 * whoever pulls an image would take it for a namespace at Docker Hub.
 * Throws `ReferenceSyntaxError`.
 */
export function registryLocation(text: string): RegistryLocation {
  const location = parseRegistryLocation(withoutScheme(text));
  if (looksLikeRegistry(location.registry)) return location;
  throw new ReferenceSyntaxError(
    `"${location.registry}" is no host of a registry: it has neither a dot nor a port, such as ${location.registry}:443`,
  );
}

/** A registry's address as a browser shows it, as a name. */
export function withoutScheme(text: string): string {
  return text.replace(/^https:\/\//i, '');
}
