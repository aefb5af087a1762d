import { formatLocation, formatReference, isInside, type RegistryLocation } from '../oci/spec/reference.ts';
import { isSecured } from '../settings/secured-names.ts';
import type { Found } from './images.ts';

/**
 * Returns a warning when no image of the self-managed platform is at the first sources: Harness publishes
 * `harnesssecure/NAME` at Docker Hub, and no other source has them.
 */
export function skippedSources(found: readonly Found[], sources: readonly RegistryLocation[]): string[] {
  const places = found.flatMap(({ planned: { source } }) => {
    if (source === undefined) return [];
    const index = sources.findIndex((place) => isInside(source, place));
    const place = sources[index];
    const path = formatReference({ ...source, registry: undefined });
    return place && isSecured(place.prefix === '' ? path : path.slice(place.prefix.length + 1)) ? [index] : [];
  });
  const first = Math.min(...places);
  const place = sources[first];
  if (first === 0 || place === undefined) return [];
  const skipped = sources.slice(0, first).map(formatLocation).join(', ');
  const images = places.length === 1 ? '1 image of harnesssecure/ is' : `${places.length} images of harnesssecure/ are`;
  const left = sources.slice(first).map(formatLocation).join(', ');
  return [`${images} at ${formatLocation(place)}, and none at ${skipped}: set source_registry to ${left}`];
}
