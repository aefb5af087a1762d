import { isSameScope } from '../harness/scope.ts';
import { formatReference, type RegistryLocation, relocate } from '../oci/spec/reference.ts';
import { parseOverride } from '../overrides/override.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { RunSettings } from '../settings/run-settings.ts';
import type { FieldChange } from '../state/documents.ts';
import { readInventory } from '../state/inventory.ts';
import { readWrittenValues } from '../state/written-values.ts';
import { own } from '../text/own.ts';
import type { Changes } from './changes.ts';
import type { ScopeConfiguration } from '../overrides/scope-configuration.ts';

/**
 * Returns the scopes with the name of the copy in place of each override without a registry that is the factory's. Such
 * a value does not show whose it is: it is the factory's when a run of this account wrote it, or, with
 * `override_values: relative`, when the inventory has the copy.
 */
export async function withCopiesNamed(
  scopes: readonly ScopeConfiguration[],
  { registry, overrideValues }: Pick<RunSettings, 'registry' | 'overrideValues'>,
  runtime: Runtime,
): Promise<ScopeConfiguration[]> {
  const values = scopes.flatMap(({ overrides }) => Object.values(overrides));
  const relative = new Map(values.flatMap((value) => copyOf(value, registry) ?? []));
  if (relative.size === 0) return [...scopes];
  const written = await readWrittenValues(runtime.store, (await runtime.harness()).accountId);
  const inventory = overrideValues === 'relative' ? await readInventory(runtime.store) : {};
  const named = (value: string): string => {
    const copy = relative.get(value);
    if (copy === undefined) return value;
    return written.has(value) || Object.hasOwn(inventory, copy) ? copy : value;
  };
  return scopes.map((scope) => ({
    ...scope,
    overrides: Object.fromEntries(Object.entries(scope.overrides).map(([field, value]) => [field, named(value)])),
  }));
}

/** Returns a value without a registry and the copy that it names, as an entry of a map. */
function copyOf(value: string, registry: RegistryLocation): [string, string][] | undefined {
  const image = parseOverride(value);
  if (!image || image.registry !== undefined) return undefined;
  return [[value, formatReference(relocate(image, registry))]];
}

/**
 * Returns the changes as Harness has and gets them: each field with its current override, and with `relative` each copy
 * without its registry. A field that has the copy in the other form is changed.
 */
export function asWritten(
  { changes, kept }: Changes,
  scopes: readonly ScopeConfiguration[],
  { registry, overrideValues }: Pick<RunSettings, 'registry' | 'overrideValues'>,
): Changes {
  const current = (row: Omit<FieldChange, 'from' | 'to' | 'image'>) =>
    own(scopes.find((scope) => isSameScope(scope, row))?.overrides ?? {}, row.field) ?? null;
  const form = (value: string) => (overrideValues === 'relative' ? withoutRegistry(value, registry) : value);
  const result: Changes = { changes: [], kept: [] };
  for (const change of changes) {
    result.changes.push({ ...change, from: current(change), to: change.to === null ? null : form(change.to) });
  }
  for (const row of kept) {
    const { value, image, reason: _, ...field } = row;
    const from = current(row);
    if (image !== undefined && value !== null && form(value) !== from)
      result.changes.push({ ...field, image, from, to: form(value) });
    else result.kept.push({ ...row, value: from });
  }
  return result;
}

/** Returns `namespace/name:tag` of a copy, and any other value as it is. */
function withoutRegistry(value: string, { registry, prefix }: RegistryLocation): string {
  const place = `${registry}/${prefix === '' ? '' : `${prefix}/`}`;
  return value.startsWith(place) ? value.slice(place.length) : value;
}
