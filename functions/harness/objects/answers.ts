import type { Envelope } from '../envelope.ts';
import { isNotFound } from '../missing-object.ts';
import type { ObjectKind } from './object.ts';

/**
 * Returns whether Harness reports that an object does not exist. Input sets have the general code of refusals for it
 * (harness/harness-core, InputSetResourcePMSImpl).
 */
export function isMissing(kind: ObjectKind): (envelope: Envelope, status: number) => boolean {
  return (envelope, status) =>
    isNotFound(envelope, status) ||
    (kind === 'inputSet' &&
      envelope.code === 'INVALID_REQUEST' &&
      /\bdoes(?: not|n't) exist\b/i.test(textOf(envelope)));
}

/** Returns whether Harness refused to create an object because it exists. Templates and triggers have a text alone. */
export function isDuplicate(envelope: Envelope, status: number): boolean {
  const { code } = envelope;
  if (code === 'DUPLICATE_FIELD' || code === 'RESOURCE_ALREADY_EXISTS' || status === 409) return true;
  return code === 'INVALID_REQUEST' && /\balready exists?\b/i.test(textOf(envelope));
}

/** Returns the cure for refusals that a user can cure. */
export function cureFor(envelope: Envelope): string | undefined {
  const { code } = envelope;
  const text = textOf(envelope);
  if (code === 'ENTITY_REFERENCE_EXCEPTION' || /\breferenced by\b|\bbeing used\b/i.test(text))
    return 'Take it out of everything that names it (its page in Harness lists the references), and run again.';
  if (code === 'OPTIMISTIC_LOCKING_EXCEPTION' || /\bupdated by another|version.{0,40}mismatch/i.test(text))
    return 'Somebody changed it at the same time: look at their change, and run again.';
  if (/\btemplate\b.{0,120}\b(?:not found|does not exist|could not be resolved)|unresolved.{0,40}template/i.test(text))
    return 'Create the template first, in the scope and with the version that its reference names.';
  if (/\bsecret\b.{0,120}\b(?:not found|does not exist|no such)|no such secret/i.test(text))
    return 'Create the secret first, in the scope that its reference names.';
  return undefined;
}

function textOf({ message = '', details }: Envelope): string {
  return [message, ...details].join(' ').slice(0, 4_000);
}
