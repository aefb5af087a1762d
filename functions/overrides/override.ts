import {
  formatReference,
  type ImageName,
  isInside,
  parseImageName,
  type RegistryLocation,
  relocate,
} from '../oci/spec/reference.ts';
import { namesOfImage } from '../settings/secured-names.ts';
import { officialLocations } from '../settings/official-sources.ts';

/** Returns the image that an override names; `undefined` when it names none, because Harness stores any text. */
export function parseOverride(value: string): ImageName | undefined {
  try {
    return parseImageName(value);
  } catch {
    return undefined;
  }
}

/** Returns whether an override names an image at our registry. */
export function isOurs(value: string, registry: RegistryLocation): boolean {
  const image = parseOverride(value);
  return image !== undefined && isInside(image, registry);
}

/** Returns the copy that an override without a registry names; `undefined` for any other override. */
export function relativeCopy(value: string, registry: RegistryLocation): string | undefined {
  const image = parseOverride(value);
  return image && image.registry === undefined ? formatReference(relocate(image, registry)) : undefined;
}

/**
 * Returns the image at our registry that an override stands for: itself, or the copy that it names without a registry,
 * when `copies` has that.
 */
export function imageAtOurs(
  value: string,
  registry: RegistryLocation,
  copies: ReadonlySet<string>,
): string | undefined {
  if (isOurs(value, registry)) return value;
  const copy = relativeCopy(value, registry);
  return copy !== undefined && copies.has(copy) ? copy : undefined;
}

/** Returns whether an override names the copy of an official repository at a location, which may have other images. */
export function namesCopy(value: string, official: string, { registry, prefix }: RegistryLocation): boolean {
  const image = parseOverride(value);
  if (image?.registry !== registry) return false;
  return namesOfImage(official).some((name) => image.repository === (prefix && `${prefix}/`) + name);
}

export interface Owners {
  registry: RegistryLocation;
  formerRegistry: RegistryLocation | undefined;
  sources: readonly RegistryLocation[];
}

/**
 * Returns whether a user set the override: it names neither a copy of ours nor an official Harness image. Official
 * images are recognized by location and namespace, because Docker Hub holds everyone's images.
 */
export function isForeign(value: string, official: ImageName, { registry, formerRegistry, sources }: Owners): boolean {
  const image = parseOverride(value);
  if (!image) return true;
  if (isInside(image, registry)) return false;
  if (formerRegistry && namesCopy(value, official.repository, formerRegistry)) return false;
  const namespaces = namesOfImage(official.repository).map((name) => name.slice(0, name.lastIndexOf('/') + 1));
  const isOfficial = (path: string) => namespaces.some((namespace) => path.startsWith(namespace));
  if (image.registry === undefined) return !isOfficial(image.repository);
  const home = [...sources, ...officialLocations].find((source) => isInside(image, source));
  const path = home?.prefix ? image.repository.slice(home.prefix.length + 1) : image.repository;
  return !home || !isOfficial(path);
}
