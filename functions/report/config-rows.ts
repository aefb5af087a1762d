import { isSameField } from '../overrides/apply-changes.ts';
import { plannedConnector } from '../overrides/connector-change.ts';
import { behindOf } from '../overrides/lag.ts';
import type {
  ConfigResult,
  ConnectorChange,
  ConnectorResult,
  FieldChange,
  KeptField,
  Plan,
} from '../state/documents.ts';

/** Returns the rows of fields: those that the run wrote, then those that it left. */
export function configResults(
  plan: Plan,
  changes: readonly FieldChange[],
  kept: readonly KeptField[],
  written: readonly ConfigResult[],
): ConfigResult[] {
  const isWritten = (change: FieldChange) => written.some((row) => isSameField(row, change));
  // The differences that verify finds are the changes that sync would write.
  const planned = (plan.action === 'plan' || plan.action === 'verify') && plan.modifyDefault;
  return [
    ...written,
    ...changes
      .filter((change) => !isWritten(change))
      .map(({ image: _, ...row }): ConfigResult =>
        planned ? { ...row, status: 'planned' } : { ...row, to: row.from, status: 'unchanged' },
      ),
    ...(plan.awaiting?.changes ?? []).map(({ image: _, ...row }): ConfigResult => ({ ...row, status: 'planned' })),
    ...kept.map(({ image: _, value, ...row }): ConfigResult => ({
      ...row,
      from: value,
      to: value,
      status: 'unchanged',
    })),
  ];
}

/** Adds by how much each field is behind Harness's default at the end of the run. */
export function withLag(rows: readonly ConfigResult[], { ahead = [] }: Plan): ConfigResult[] {
  return rows.map((row) => {
    const official = ahead.find((each) => isSameField(each, row));
    const isUnwritten = row.status === 'rejected' || row.status === 'rolled-back';
    const behind = official && behindOf(isUnwritten ? row.from : row.to, official);
    return behind ? { ...row, behind } : row;
  });
}

/** Returns the row of the connector. Without a write it stays as it was, except in a plan. */
export function connectorResult(
  { action }: Plan,
  change: ConnectorChange,
  written: Pick<ConnectorResult, 'status' | 'after'> | undefined,
): ConnectorResult {
  const planned = plannedConnector(change);
  if (written || action === 'plan' || action === 'verify') return { ...planned, ...written };
  return { ...planned, status: 'unchanged', after: planned.before };
}
