import { createHash } from 'node:crypto';
import type { TaskRun } from '../runtime/task-run.ts';
import type { RunSettings } from '../settings/run-settings.ts';
import { formatLocation } from '../oci/spec/reference.ts';
import type { LockOutcome } from '../state/lock.ts';

/**
 * Takes the lock of what the run writes: the Harness account, or without Harness the registry or the bundle. An action
 * that only reads takes none and waits for none.
 */
export async function lockFor(
  runId: string,
  settings: RunSettings,
  accountId: string | undefined,
  { runtime, signal }: TaskRun,
): Promise<LockOutcome> {
  const { action } = settings;
  if (action === 'plan' || action === 'verify') return {};
  const name =
    action === 'export'
      ? hashed('bundle', settings.bundle)
      : (accountId ?? hashed('registry', formatLocation(settings.registry)));
  return runtime.lock.take({ runId, action }, name, signal);
}

/** Returns a name for a lock that no account id has, and that can be part of a key. */
function hashed(kind: string, text: string): string {
  return `${kind}.${createHash('sha256').update(text).digest('hex').slice(0, 32)}`;
}
