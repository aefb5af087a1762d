import { FactoryError } from '../errors.ts';
import { lacksPermission } from '../harness/failure.ts';
import type { ConnectorChange } from '../state/documents.ts';
import type { TaskRun } from '../runtime/task-run.ts';

/**
 * Checks before the copies that the key may switch Harness, or change a connector. Throws `HarnessForbidden` when it may
 * not. Returns a warning when the check fails: the switch then shows whether it may.
 */
export async function checkWritePermission(
  { runtime, signal }: TaskRun,
  connector?: Pick<ConnectorChange, 'reference' | 'ref'>,
): Promise<string[]> {
  const harness = await runtime.harness();
  const [permission, object] = connector
    ? ['core_connector_edit', `connector ${connector.reference}`]
    : ['core_account_edit', `the configuration of account ${harness.accountId}`];
  let permitted: boolean;
  try {
    permitted = await harness.isPermitted(permission, connector?.ref, signal);
  } catch (error) {
    if (!(error instanceof FactoryError)) throw error;
    return [`whether the key has ${permission} could not be checked before the switch: ${error.message}`];
  }
  if (!permitted) throw lacksPermission(permission, object);
  return [];
}
