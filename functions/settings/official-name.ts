import { formatLocation, parseRegistryLocation, type RegistryLocation } from '../oci/spec/reference.ts';
import { officialLocations } from './official-sources.ts';

/** The namespace in which Harness publishes the images of `harness/` for users who log in. */
const securedNamespace = /^harnesssecure\//;

/**
 * Returns the name of an image as Harness writes it, `harness/ci-addon`, for a name as people copy it: with a registry
 * in front, with `https://`, or with `harnesssecure/` instead of `harness/`. Removes the prefixes of `places` too,
 * beside those of Harness. Works on globs. Returns text without a registry unchanged.
 */
export function officialName(text: string, places: readonly RegistryLocation[] = []): string {
  const name = text.replace(/^https?:\/\//, '');
  const prefixes = [...places, ...officialLocations].map((place) => `${formatLocation(place)}/`);
  const inPlace = prefixes.toSorted((a, b) => b.length - a.length).find((prefix) => name.startsWith(prefix));
  const path = inPlace === undefined ? withoutHost(name) : name.slice(inPlace.length);
  return path.replace(securedNamespace, 'harness/');
}

function withoutHost(name: string): string {
  const slash = name.indexOf('/');
  const first = slash === -1 ? '' : name.slice(0, slash);
  return isHost(first) ? name.slice(slash + 1) : name;
}

function isHost(text: string): boolean {
  if (text !== 'localhost' && !/[.:]/.test(text)) return false;
  try {
    return parseRegistryLocation(text).prefix === '';
  } catch {
    return false;
  }
}
