import { frameworkError, violation } from './responses.ts';
import type { ObjectScope, ScopedObject } from './state.ts';

export function required(query: URLSearchParams, name: string): string {
  const value = query.get(name);
  if (value === null || value.trim() === '') throw violation(name);
  return value;
}

const infras = ['K8', 'VM', 'DLITE_VM'];

/** The framework reads enums leniently: any case, blanks around, `-` and `.` for `_`. */
export function infraParameter(query: URLSearchParams): string {
  const infra = required(query, 'infra').trim().toUpperCase().replaceAll(/[-.]/g, '_');
  if (infras.includes(infra)) return infra;
  throw frameworkError(400, `query param infra must be one of [${infras.join(', ')}]`);
}

/** Reads the parameter as Java reads a boolean: anything but "true" is false. Default: true. */
export function overridesOnlyParameter(query: URLSearchParams): boolean {
  return (query.get('overridesOnly') ?? 'true').toLowerCase() === 'true';
}

export interface Operation {
  field: string;
  /** `null` takes the override away. */
  value: string | null;
}

/** The body of a write. Scalars become strings and unknown properties are passed over, as Jackson does. */
export function operations(body: string): Operation[] {
  if (body.trim() === '') throw violation('operations');
  const parsed = parseJson(body);
  if (!Array.isArray(parsed)) throw unprocessable('Cannot deserialize value of type `java.util.ArrayList`');
  return parsed.map((element: unknown, index) => {
    if (typeof element !== 'object' || element === null || Array.isArray(element))
      throw unprocessable('Cannot construct instance of operation');
    const { field, value } = element as Record<string, unknown>;
    const name = scalar(field);
    if (name === null) throw violation(`operations[${index}].field`);
    return { field: name, value: scalar(value) };
  });
}

function scalar(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw unprocessable('Cannot deserialize value of type `java.lang.String`');
}

/** A body's JSON; `undefined` when it is empty. */
export function parseJson(body: string): unknown {
  if (body.trim() === '') return undefined;
  try {
    return JSON.parse(body);
  } catch {
    throw unprocessable('Unexpected character');
  }
}

/** The scope that a query or an object names. Harness shows an absent part as `null`. */
export function scopeOf({ orgIdentifier, projectIdentifier }: Record<string, unknown>): ObjectScope {
  const [organization, project] = [text(orgIdentifier), text(projectIdentifier)];
  return {
    ...(organization !== undefined && { orgIdentifier: organization }),
    ...(project !== undefined && { projectIdentifier: project }),
  };
}

/** Reads the object under `key` of a body: the members that objects of every kind have, and its `spec`. */
export function scopedObject(body: string, key: string): ScopedObject & { spec: Record<string, unknown> } {
  const document = parseJson(body);
  if (document === undefined || document === null) throw violation('body');
  if (typeof document !== 'object' || Array.isArray(document)) throw unprocessable('Cannot construct an object');
  const requested = (document as Record<string, unknown>)[key];
  if (requested === undefined || requested === null) throw violation(key);
  if (typeof requested !== 'object' || Array.isArray(requested)) throw unprocessable(`Cannot construct a ${key}`);
  const { description, tags, spec, ...rest } = requested as Record<string, unknown>;
  const named = (name: string) => requiredText(rest[name], `${key}.${name}`);
  if (typeof spec !== 'object' || spec === null) throw violation(`${key}.spec`);
  return {
    identifier: named('identifier'),
    name: named('name'),
    type: named('type'),
    ...scopeOf(rest),
    ...(typeof description === 'string' && { description }),
    ...(typeof tags === 'object' && tags !== null && { tags: tags as Record<string, string> }),
    spec: spec as Record<string, unknown>,
  };
}

export function requiredText(value: unknown, fieldId: string): string {
  const found = text(value);
  if (found === undefined) throw violation(fieldId);
  return found;
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value : undefined;
}

export function unprocessable(details: string) {
  return frameworkError(400, 'Unable to process JSON', details);
}
