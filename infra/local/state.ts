import { FactoryError } from '../../functions/errors.ts';
import type { LockOptions } from '../../functions/state/lock.ts';
import type { ObjectStore } from '../../functions/state/object-store.ts';
import { FileStore } from './file-store.ts';
import { ownProcess } from './own-process.ts';
import { isUrl, parseStateUrl } from './state-url.ts';
import { homeForAwsSdk } from './user-folder.ts';

/** The place of a command's state. */
export interface State {
  /** `prepare` throws `StoreFailed` when the store cannot be written. */
  store: ObjectStore & { prepare(): Promise<void> };
  /** The way a run holds its lock there. */
  lock: Pick<LockOptions, 'process' | 'lifeMs'>;
}

/**
 * Opens the state that `--state` names: a folder, or a bucket that machines and a deployment share. `place` is absent
 * for a user without a home folder. Throws `InvalidConfiguration`.
 */
export async function openState(place: string | undefined): Promise<State> {
  if (place === undefined) {
    const message = 'there is no folder for the state: this user has no home folder';
    throw new FactoryError('InvalidConfiguration', message, {
      hint: 'Name a folder with --state, or set HOME or XDG_STATE_HOME to an absolute path.',
    });
  }
  if (!isUrl(place)) return { store: new FileStore(place), lock: { process: ownProcess } };
  const { bucket, prefix } = parseStateUrl(place);
  homeForAwsSdk();
  // Load the AWS SDK only for a bucket: it doubles the start-up time.
  const { sharedBucket } = await import('../../functions/aws/shared-bucket.ts');
  return { store: sharedBucket(bucket, prefix), lock: { lifeMs: sharedLifeMs } };
}

/**
 * The life of a lock in a bucket. Another machine cannot see whether the process of a run has ended, and machines that
 * are started from one image may share a process table's id. Longer than the five minutes by which clocks may differ.
 */
const sharedLifeMs = 10 * 60_000;
