import type { ErrorDocument } from '../errors.ts';
import { describeLeft, mayDiffer, rollbackFailed } from '../overrides/rollback-failed.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { RunDocuments } from '../state/run-documents.ts';
import { parseErrorCause } from '../workflow-error.ts';
import type { ReportEvent } from './event.ts';

/** Returns the error that ended the run. A failed rollback comes first, whatever its reason. */
export async function errorOf(
  state: ReportEvent['state'],
  undone: RunDocuments,
  runtime: Runtime,
  attempts: RunDocuments = undone,
): Promise<ErrorDocument | undefined> {
  const error = state.error && parseErrorCause(state.error);
  if (!state.rollbackError) return error;
  const rollback = await rollbackError(parseErrorCause(state.rollbackError), undone, runtime, attempts);
  return {
    ...rollback,
    message: `${rollback.message} (after ${error?.name ?? 'a failure'}: ${error?.message ?? 'unknown'})`,
  };
}

/** Returns the error before a rollback that failed. */
export function firstErrorOf({ error, rollbackError: failed }: ReportEvent['state']): ErrorDocument | undefined {
  return error && failed && parseErrorCause(error);
}

/** Returns the failure of a rollback as `RollbackFailed`, even when its function did not run. */
async function rollbackError(
  ended: ErrorDocument,
  undone: RunDocuments,
  runtime: Runtime,
  attempts: RunDocuments,
): Promise<ErrorDocument> {
  const last = await attempts.rollback.find();
  if (ended.name === 'RollbackFailed') {
    // The workflow truncates the errors that it passes on.
    return last ? rollbackFailed(undone, last, runtime).toJSON() : ended;
  }
  const left = last?.left ?? (await fieldsWritten(undone));
  return rollbackFailed(undone, { left, reason: `${ended.name}: ${ended.message}` }, runtime).toJSON();
}

/** Describes the fields and the connector that were written, when no attempt of the rollback left a record. */
async function fieldsWritten(documents: RunDocuments): Promise<string[]> {
  const written = (await documents.config.find()) ?? [];
  const fields = written
    .filter(({ status }) => status === 'updated' || status === 'reset')
    .map((row) => mayDiffer(row, row.from));
  const { connector } = (await documents.snapshot.find()) ?? {};
  const isWritten = connector && (await documents.connector.find())?.status === 'changed';
  return [...fields, ...(isWritten ? [describeLeft(connector)] : [])];
}
