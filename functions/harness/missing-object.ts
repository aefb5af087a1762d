import type { Envelope } from './envelope.ts';

/**
 * The error codes for a missing object. The status depends on the service: 400 with the first code, 404 with the others
 * (harness/terraform-provider-harness, helpers/errors.go).
 */
const codes: ReadonlySet<string> = new Set(['RESOURCE_NOT_FOUND_EXCEPTION', 'ENTITY_NOT_FOUND', 'RESOURCE_NOT_FOUND']);

/** Returns whether Harness reports that an object does not exist. A 404 without a code of Harness is a missing path. */
export function isNotFound({ code = '' }: Envelope, status: number): boolean {
  return codes.has(code) || (status === 404 && /[A-Z]/.test(code));
}
