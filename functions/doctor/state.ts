import { describeLock } from '../state/lock.ts';
import { type Finding, ok, warning } from './check.ts';
import type { Subject } from './subject.ts';

/** Checks that the state can be read and written, and looks at the lock of the account. */
export async function checkState({ runtime, prepareState }: Subject): Promise<Finding> {
  await prepareState?.();
  const place = runtime.store.locate('');
  const access = prepareState ? 'can be written' : 'can be read';
  const account = await runtime.harness().then(
    ({ accountId }) => accountId,
    () => undefined,
  );
  if (account === undefined) return ok(`${place} ${access}; the account of the lock is unknown`);
  const holder = await runtime.lock.holder(account);
  if (!holder) return ok(`${place} ${access}; no run holds the lock of account ${account}`);
  return warning(`${place} ${access}; ${describeLock(holder)}`, 'Wait for that run, or start yours with --wait.');
}
