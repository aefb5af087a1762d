import { connectorRegistry, resolveImage } from '../harness/image-resolution.ts';
import { type ConfigScope, isSameScope } from '../harness/scope.ts';
import { formatReference, type RegistryLocation } from '../oci/spec/reference.ts';
import type { FieldChange } from '../state/documents.ts';
import { own } from '../text/own.ts';
import { parseOverride } from './override.ts';
import type { ScopeConfiguration } from './scope-configuration.ts';

/** An image that pods would pull. */
export interface ResolvedImage {
  /** The reference that a pod pulls, with its registry; the value itself when Harness cannot resolve it. */
  reference: string;
  /** False when Harness cannot read the connector's address, or when the value names no image. */
  resolved: boolean;
  /** The fields that use the image, such as `ci K8 addonTag`. */
  fields: string[];
  /** The official image, when a field has no override. */
  official?: string;
}

/** Returns the name of a field in `fields`: `ci K8 addonTag`. */
export function nameOfField({ module, infrastructureType, field }: ConfigScope & { field: string }): string {
  return `${module} ${infrastructureType} ${field}`;
}

/**
 * Returns what Harness would pull through a connector in place of the image at our registry that a value stands for;
 * `undefined` when it pulls that image. A value without a registry is as good as Harness's own names through a connector
 * for another registry. Through one for our registry with another path, no image is there.
 */
export function pulledInstead(
  value: string,
  image: string,
  url: string,
  { registry }: RegistryLocation,
): string | undefined {
  const pulled = resolveImage(value, url);
  if (pulled === image) return undefined;
  const isElsewhere = value !== image && pulled !== undefined && connectorRegistry(url) !== registry;
  return isElsewhere ? undefined : (pulled ?? 'nothing');
}

/**
 * Resolves the image of every field through a connector, after the changes. `url` is the address of a Docker connector;
 * `undefined` stands for no such connector: Harness then uses images as written.
 */
export function resolveFields(
  scopes: readonly ScopeConfiguration[],
  changes: readonly FieldChange[],
  url: string | undefined,
): ResolvedImage[] {
  const found = new Map<string, ResolvedImage>();
  for (const scope of scopes) {
    const { module, infrastructureType, defaults, overrides } = scope;
    for (const field of new Set([...Object.keys(defaults), ...Object.keys(overrides)])) {
      const change = changes.find((each) => each.field === field && isSameScope(each, scope));
      const override = change ? change.to : own(overrides, field);
      const value = override ?? own(defaults, field) ?? '';
      if (value === '') continue;
      const pulled = url === undefined ? value : resolveImage(value, url);
      const name = pulled === undefined ? undefined : parseOverride(pulled);
      const tagged = name && (name.tag ?? name.digest) === undefined ? { ...name, tag: 'latest' } : name;
      const reference = tagged ? formatReference({ ...tagged, registry: tagged.registry ?? 'docker.io' }) : value;
      const row = found.get(reference) ?? { reference, resolved: tagged !== undefined, fields: [] };
      row.fields.push(nameOfField({ module, infrastructureType, field }));
      if (override === null || override === undefined) row.official = value;
      found.set(reference, row);
    }
  }
  return [...found.values()];
}
