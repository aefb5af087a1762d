import { S3ObjectStore } from '../aws/s3-object-store.ts';
import { FactoryError } from '../errors.ts';
import type { Environment } from '../settings/configuration.ts';

/** Returns the store of the bucket that the deployment names. Throws `InvalidConfiguration` without one. */
export function stateStore(environment: Environment): S3ObjectStore {
  const bucket = environment['STATE_BUCKET'];
  if (bucket) return new S3ObjectStore(bucket);
  throw new FactoryError('InvalidConfiguration', 'STATE_BUCKET is not set', {
    hint: 'Deploy the functions with the construct, which sets it.',
  });
}
