import { formatLocation, parseRegistryLocation, type RegistryLocation } from '../oci/spec/reference.ts';
import { officialLocations } from './official-sources.ts';
import { saasName } from './secured-names.ts';

/**
 * Returns the name of an image as SaaS has it, `harness/ci-addon`, for a name as people copy it: with a registry in
 * front, with `https://`, or the name of the self-managed platform, `harnesssecure/ci-addon`.
 */
export function officialName(text: string, places: readonly RegistryLocation[] = []): string {
  return saasName(withoutPlace(text, places));
}

/**
 * Removes the registry in front of a name, with its prefix when it is one of `places` or of Harness. Works on globs.
 * Returns text without a registry unchanged.
 */
export function withoutPlace(text: string, places: readonly RegistryLocation[] = []): string {
  const name = text.replace(/^https?:\/\//, '');
  const prefixes = [...places, ...officialLocations].map((place) => `${formatLocation(place)}/`);
  const inPlace = prefixes.toSorted((a, b) => b.length - a.length).find((prefix) => name.startsWith(prefix));
  return inPlace === undefined ? withoutHost(name) : name.slice(inPlace.length);
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
