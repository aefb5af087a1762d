import { printable } from '../text/printable.ts';
import type { ObjectRef } from './object-ref.ts';

/** A secret as the API returns it: everything but its value. */
export interface Secret {
  ref: ObjectRef;
  /** `SecretText` is the only type whose value is text. */
  type: string;
  /** `Inline`, or `Reference`: the value is then the name of a secret in a secret manager. */
  valueType: string | undefined;
  /** The whole secret, with members that the factory does not know. */
  document: Readonly<Record<string, unknown>>;
}

/** Reads `data` of the secrets endpoints. Returns `undefined` when it holds no secret. */
export function parseSecret(data: unknown, ref: ObjectRef): Secret | undefined {
  const document = record(record(data)?.['secret']);
  const spec = record(document?.['spec']);
  const { identifier, type } = document ?? {};
  if (!document || !spec || identifier !== ref.identifier || typeof type !== 'string') return undefined;
  const { valueType } = spec;
  return { ref, type: printable(type), valueType: typeof valueType === 'string' ? valueType : undefined, document };
}

/**
 * Returns the body of an update that sets the value. The update replaces the whole secret, so everything that was read is
 * sent back: name, description, tags, secret manager.
 */
export function withValue({ document }: Secret, value: string): object {
  const spec = { ...withoutNulls(record(document['spec']) ?? {}), valueType: 'Inline', value };
  return { secret: { ...withoutNulls(document), spec } };
}

/**
 * Returns the reason if a policy of the account denied the update. Harness then responds with HTTP 200 and stores
 * nothing (harness/harness-core, NGSecretResourceV2).
 */
export function policyDenial(data: unknown): string | undefined {
  const { status, deny, message } = record(record(data)?.['governanceMetadata']) ?? {};
  if (status !== 'error' && deny !== true) return undefined;
  return typeof message === 'string' && message !== '' ? message : 'no reason given';
}

function withoutNulls(object: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}

function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}
