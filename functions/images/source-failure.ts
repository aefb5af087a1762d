import { type ErrorName, FactoryError } from '../errors.ts';
import { Paused } from '../oci/copy/deadline.ts';
import { formatReference, type Reference } from '../oci/spec/reference.ts';
import { RegistryFailure } from '../oci/registry/registry-failure.ts';

/** Errors of a source that serves wrong content, or none. */
const ofContent: ReadonlySet<ErrorName> = new Set(['DigestMismatch', 'ManifestInvalid']);

/** An error after which another source may succeed. */
export type SourceFailure = Paused | FactoryError;

/** Returns whether another source may succeed: `registry` refused, throttled, failed, or served wrong content. */
export function isFailureOf(registry: string, error: unknown): error is SourceFailure {
  if (error instanceof Paused) return error.notBefore !== undefined && error.registry === registry;
  if (error instanceof RegistryFailure) return error.registry === registry;
  return error instanceof FactoryError && ofContent.has(error.name);
}

/** Describes the switch to another source, with its reason. */
export function sourceNote(source: Reference, error: SourceFailure, next: Reference): string {
  const reason = error instanceof Paused ? `${error.registry} requests a pause` : error.message;
  return `${formatReference(source)}: ${reason}; trying ${formatReference(next)}`;
}
