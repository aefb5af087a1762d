import type { ConfigScope } from '../harness/scope.ts';
import { getJson, type ObjectStore, putJson } from './object-store.ts';

/**
 * Fields that Harness shows but does not let one change, as runs have met them: which they are differs by version and
 * is not documented. Field → when it was refused last.
 */
export type RefusedFields = Record<string, string>;

type Field = ConfigScope & { field: string };

const key = 'refused-fields.json';
/** After that many milliseconds a field is tried again: Harness is updated every week or two. */
const memory = 30 * 86_400_000;

export async function readRefusedFields(store: ObjectStore): Promise<RefusedFields> {
  return (await getJson<RefusedFields>(store, key)) ?? {};
}

export async function noteRefusedFields(store: ObjectStore, fields: readonly Field[], now: Date): Promise<void> {
  if (fields.length === 0) return;
  const refused = await readRefusedFields(store);
  for (const field of fields) refused[nameOf(field)] = now.toISOString();
  await putJson(store, key, refused);
}

/** Whether Harness ever refused to change the field. */
export function wasRefused(refused: RefusedFields, field: Field): boolean {
  return Object.hasOwn(refused, nameOf(field));
}

/** The day on which Harness refused the field, when that is recent enough not to ask again. */
export function refusedOn(refused: RefusedFields, field: Field, now: Date): string | undefined {
  const at = wasRefused(refused, field) ? refused[nameOf(field)] : undefined;
  return at !== undefined && Date.parse(at) + memory > now.getTime() ? at.slice(0, 10) : undefined;
}

function nameOf({ module, infrastructureType, field }: Field): string {
  return `${module} ${infrastructureType} ${field}`;
}
