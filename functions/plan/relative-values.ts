import { isSameScope } from '../harness/scope.ts';
import type { RegistryLocation } from '../oci/spec/reference.ts';
import { relativeCopy } from '../overrides/override.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { RunSettings } from '../settings/run-settings.ts';
import type { FieldChange } from '../state/documents.ts';
import { readInventory } from '../state/inventory.ts';
import { readWrittenValues } from '../state/written-values.ts';
import { own } from '../text/own.ts';
import type { Changes } from './changes.ts';
import type { ScopeConfiguration } from '../overrides/scope-configuration.ts';

type Form = Pick<RunSettings, 'registry' | 'overrideValues'>;

/** Returns the scopes with the name of the copy in place of each override without a registry that is the factory's. */
export async function withCopiesNamed(
  scopes: readonly ScopeConfiguration[],
  settings: Form,
  runtime: Runtime,
): Promise<ScopeConfiguration[]> {
  const copies = await copiesOf(
    scopes.flatMap(({ overrides }) => Object.values(overrides)),
    settings,
    runtime,
  );
  const named = (value: string) => copies.get(value) ?? value;
  return scopes.map((scope) => ({
    ...scope,
    overrides: Object.fromEntries(Object.entries(scope.overrides).map(([field, value]) => [field, named(value)])),
  }));
}

/** Returns the changes of a restore with the image of each value without a registry that is the factory's. */
export async function withImages({ changes, kept }: Changes, settings: Form, runtime: Runtime): Promise<Changes> {
  const copies = await copiesOf(
    changes.flatMap(({ to }) => to ?? []),
    settings,
    runtime,
  );
  const isCopy = (to: string | null): to is string => to !== null && copies.has(to);
  return { changes: changes.map((change) => (isCopy(change.to) ? { ...change, image: change.to } : change)), kept };
}

/**
 * Returns the values without a registry that are the factory's, with the copies that they name. Such a value does not
 * show whose it is: it is the factory's when a run of this account wrote it, or, with `override_values: relative`, when
 * the inventory has the copy.
 */
async function copiesOf(
  values: readonly string[],
  { registry, overrideValues }: Form,
  runtime: Runtime,
): Promise<Map<string, string>> {
  const relative = values.flatMap((value): [string, string][] => {
    const copy = relativeCopy(value, registry);
    return copy === undefined ? [] : [[value, copy]];
  });
  if (relative.length === 0) return new Map();
  const written = await readWrittenValues(runtime.store, (await runtime.harness()).accountId);
  const inventory = overrideValues === 'relative' ? await readInventory(runtime.store) : {};
  return new Map(relative.filter(([value, copy]) => written.has(value) || Object.hasOwn(inventory, copy)));
}

/**
 * Returns the changes as Harness has and gets them: each field with its current override, and with `relative` each copy
 * without its registry. A field that has the copy in the other form is changed.
 */
export function asWritten(
  { changes, kept }: Changes,
  scopes: readonly ScopeConfiguration[],
  { registry, overrideValues }: Form,
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
