import type { ConfigScope } from '../harness/scope.ts';
import type { ConfigResult, FieldChange } from './documents.ts';
import type { RunDocuments } from './run-documents.ts';

/**
 * Applies the run's changes of one kind, scope by scope and never two at once: Harness keeps all of an account's fields
 * in one document without a lock, so parallel writers lose each other's work. What was done is recorded after each scope.
 */
export async function applyChanges(
  documents: RunDocuments,
  kind: 'updated' | 'reset',
  write: (scope: ConfigScope, changes: FieldChange[]) => Promise<void>,
): Promise<void> {
  const { changes } = await documents.changes.get();
  const wanted = changes.filter(({ to }) => (to === null) === (kind === 'reset'));
  const results: ConfigResult[] = (await documents.config.find()) ?? [];
  const scopes = Map.groupBy(wanted, ({ module, infrastructureType }) => `${module} ${infrastructureType}`);
  for (const batch of scopes.values()) {
    const [first] = batch;
    if (!first) continue;
    await write({ module: first.module, infrastructureType: first.infrastructureType }, batch);
    results.push(...batch.map(({ image: _, ...row }) => ({ ...row, status: kind })));
    await documents.config.put(results);
  }
}
