import { S3ObjectStore } from '../aws/s3-object-store.ts';
import type { Environment } from '../settings/configuration.ts';
import { deployedVariable } from './deployed-variable.ts';

/** Returns the store of the bucket that the deployment names. Throws `InvalidConfiguration` without one. */
export function stateStore(environment: Environment): S3ObjectStore {
  return new S3ObjectStore(deployedVariable(environment, 'STATE_BUCKET'));
}
