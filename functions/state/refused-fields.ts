import * as z from 'zod';
import type { ConfigScope } from '../harness/scope.ts';
import { getJson, type ObjectStore, updateJson } from './object-store.ts';
import { versioned } from './schema.ts';

/**
 * Fields that Harness shows but does not let anyone change, as runs have found: field → time of the last refusal. The
 * set differs by Harness version and is not documented.
 */
export type RefusedFields = Record<string, string>;

type Field = ConfigScope & { field: string };

const key = 'refused-fields.json';
/** After this many milliseconds a field is tried again: Harness is updated every week or two. */
const memory = 30 * 86_400_000;

const schema = versioned<RefusedFields>({
  content: z.record(z.string(), z.iso.datetime()),
  under: 'fields',
  cure: 'Delete it. The next sync tries refused fields again.',
});

export async function readRefusedFields(store: ObjectStore): Promise<RefusedFields> {
  return (await getJson(store, key, schema)) ?? {};
}

export async function noteRefusedFields(store: ObjectStore, fields: readonly Field[], now: Date): Promise<void> {
  if (fields.length === 0) return;
  const refused = Object.fromEntries(fields.map((field) => [nameOf(field), now.toISOString()]));
  await updateJson(store, key, schema, (known) => ({ ...known, ...refused }));
}

/** Returns whether Harness ever refused to change the field. */
export function wasRefused(refused: RefusedFields, field: Field): boolean {
  return Object.hasOwn(refused, nameOf(field));
}

/** Returns the day on which Harness refused the field; `undefined` when the field is to be tried again. */
export function refusedOn(refused: RefusedFields, field: Field, now: Date): string | undefined {
  const at = wasRefused(refused, field) ? refused[nameOf(field)] : undefined;
  return at !== undefined && Date.parse(at) + memory > now.getTime() ? at.slice(0, 10) : undefined;
}

function nameOf({ module, infrastructureType, field }: Field): string {
  return `${module} ${infrastructureType} ${field}`;
}
