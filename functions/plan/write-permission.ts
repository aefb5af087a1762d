import { FactoryError } from '../errors.ts';
import { lacksPermission } from '../harness/failure.ts';
import type { TaskRun } from '../task.ts';

const permission = 'core_account_edit';

/**
 * Checks before the copies that the key may switch Harness. Throws `HarnessForbidden` when it may not. Returns a
 * warning when the check fails: the switch then shows whether it may.
 */
export async function checkWritePermission({ runtime, signal }: TaskRun): Promise<string[]> {
  const harness = await runtime.harness();
  let permitted: boolean;
  try {
    permitted = await harness.isPermitted(permission, signal);
  } catch (error) {
    if (!(error instanceof FactoryError)) throw error;
    return [`whether the key has ${permission} could not be checked before the switch: ${error.message}`];
  }
  if (!permitted) throw lacksPermission(permission, harness.accountId);
  return [];
}
