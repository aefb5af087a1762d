import { FactoryError } from '../errors.ts';
import type { ConnectorChange, FieldChange, RollbackState } from '../state/documents.ts';
import type { RunDocuments } from '../state/run-documents.ts';
import type { Runtime } from '../runtime/runtime.ts';

/**
 * Returns the error of a failed rollback: the fields with their values, and the command that restores them. `run` is
 * the run whose snapshot is written back.
 */
export function rollbackFailed(
  run: RunDocuments,
  { left, reason }: Pick<RollbackState, 'left' | 'reason'>,
  { place }: Runtime,
  cause?: unknown,
): FactoryError {
  const why = reason === '' ? '' : ` (${reason})`;
  const what = left.every((field) => field.includes(unchecked))
    ? 'the old values of these fields were written, not checked'
    : 'these fields could not be put back';
  const message =
    left.length === 0
      ? `every field was put back, but may have changed since${why}`
      : `${what}${why}: ${left.join('; ')}`;
  return new FactoryError('RollbackFailed', message, {
    hint: `When Harness responds again, ${place.restore(run.runId)}. The snapshot is ${run.snapshot.location}.`,
    cause,
  });
}

const unchecked = 'was written, not checked';

/** Describes a connector that may not have its old address. */
export function describeLeft({ reference, from, to }: ConnectorChange): string {
  return `connector ${reference} may not be ${from.dockerRegistryUrl}: the run wrote ${to.dockerRegistryUrl}`;
}

/** Describes a field whose value is unknown. */
export function mayDiffer(
  { module, infrastructureType, field, to }: Omit<FieldChange, 'image'>,
  before: string | null,
  written = false,
): string {
  const name = `${module} ${infrastructureType} ${field}`;
  if (written) return `${name} ${unchecked}: it may not be ${before ?? 'unset'}`;
  return `${name} may not be ${before ?? 'unset'}: the run wrote ${to ?? 'no override'}`;
}
