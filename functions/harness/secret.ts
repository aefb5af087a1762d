import { isObject, withoutNulls } from '../text/json.ts';
import { printable } from '../text/printable.ts';
import type { ObjectRef } from './object-ref.ts';

/** A secret as the API returns it: everything but its value. */
export interface Secret {
  ref: ObjectRef;
  /** `SecretText` is the only type whose value is text. */
  type: string;
  /** `Inline`, or `Reference`: the value is then the name of a secret in a secret manager. */
  valueType: string | undefined;
  /** The whole secret and its `spec`, with members that the factory does not know. */
  document: Readonly<Record<string, unknown>>;
  spec: Readonly<Record<string, unknown>>;
}

/** Reads `data` of the secrets endpoints. Returns `undefined` when it holds no secret. */
export function parseSecret(data: unknown, ref: ObjectRef): Secret | undefined {
  const document = isObject(data) ? data['secret'] : undefined;
  if (!isObject(document)) return undefined;
  const { identifier, type, spec } = document;
  if (identifier !== ref.identifier || typeof type !== 'string' || !isObject(spec)) return undefined;
  const valueType = typeof spec['valueType'] === 'string' ? printable(spec['valueType']) : undefined;
  return { ref, type: printable(type), valueType, document, spec };
}

/**
 * Returns the body of an update that sets the value. The update replaces the whole secret, so everything that was read is
 * sent back: name, description, tags, secret manager.
 */
export function withValue({ document, spec }: Secret, value: string): object {
  return { secret: { ...withoutNulls(document), spec: { ...withoutNulls(spec), valueType: 'Inline', value } } };
}
