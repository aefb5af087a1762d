import { S3Client } from '@aws-sdk/client-s3';
import { clientConfig } from './client-config.ts';
import { S3ObjectStore } from './s3-object-store.ts';

/**
 * Returns the store in a bucket that machines share, which may be in another region than `AWS_REGION`. A server that
 * `AWS_ENDPOINT_URL` names gets the bucket in the path: its host name is the only one that is known to exist.
 */
export function sharedBucket(bucket: string, prefix: string): S3ObjectStore {
  const { AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3 = AWS_ENDPOINT_URL } = process.env;
  const client = new S3Client({
    ...clientConfig(),
    followRegionRedirects: true,
    forcePathStyle: Boolean(AWS_ENDPOINT_URL_S3),
  });
  return new S3ObjectStore(bucket, client, prefix);
}
