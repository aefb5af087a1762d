import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { clientConfig } from './client-config.ts';

/**
 * Returns the settings of a client for a bucket that somebody else created, perhaps in another region than `AWS_REGION`.
 * A server that `AWS_ENDPOINT_URL` names gets the bucket in the path: its host name is the only one that is known to
 * exist.
 */
export function bucketClientConfig() {
  const { AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3 = AWS_ENDPOINT_URL } = process.env;
  return {
    ...clientConfig(),
    followRegionRedirects: true,
    forcePathStyle: Boolean(AWS_ENDPOINT_URL_S3),
  } satisfies S3ClientConfig;
}
