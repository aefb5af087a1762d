import { S3Client } from '@aws-sdk/client-s3';
import { bucketClientConfig } from './bucket-client.ts';
import { S3ObjectStore } from './s3-object-store.ts';

/** Returns the store in a bucket that machines share. */
export function sharedBucket(bucket: string, prefix: string): S3ObjectStore {
  return new S3ObjectStore(bucket, new S3Client(bucketClientConfig()), prefix);
}
