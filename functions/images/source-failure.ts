import { type ErrorName, FactoryError } from '../errors.ts';
import { Paused } from '../oci/copy/deadline.ts';
import { RegistryFailure } from '../oci/registry/registry-failure.ts';

/** What a source that serves other bytes than it should, or none, leads to. */
const ofContent: ReadonlySet<ErrorName> = new Set(['DigestMismatch', 'ManifestInvalid']);

/** Whether another source may do better: this registry refused, throttled, failed, or served something else. */
export function isFailureOf(registry: string, error: unknown): boolean {
  if (error instanceof Paused) return error.notBefore !== undefined && error.registry === registry;
  if (error instanceof RegistryFailure) return error.registry === registry;
  return error instanceof FactoryError && ofContent.has(error.name);
}

/** Tells that an image is taken from elsewhere, and why. */
export function sourceNote(image: string, error: unknown, next: string): string {
  const reason = error instanceof Paused ? `${error.registry} asks for a pause` : (error as Error).message;
  return `${image}: ${reason}; trying ${next}`;
}
