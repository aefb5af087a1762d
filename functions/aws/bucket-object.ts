import {
  GetObjectCommand,
  type GetObjectCommandOutput,
  NoSuchKey,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { FactoryError } from '../errors.ts';
import { partitionOf } from '../oci/registry/aws-partitions.ts';
import { bucketClientConfig } from './bucket-client.ts';
import { s3Failure } from './s3-failure.ts';

/** An object in a bucket of this partition: others accept neither our credentials nor our requests. */
export class BucketObject {
  readonly client: S3Client;
  readonly bucket: string;
  readonly key: string;
  /** `s3://BUCKET/KEY`, for messages. */
  readonly name: string;

  constructor(bucket: string, key: string, client = new S3Client({ ...bucketClientConfig(), maxAttempts: 5 })) {
    this.bucket = bucket;
    this.key = key;
    this.client = client;
    this.name = `s3://${bucket}/${key}`;
  }

  /** Returns the fields that every request to the object has. */
  get place(): { Bucket: string; Key: string } {
    return { Bucket: this.bucket, Key: this.key };
  }

  /** Returns another object of the bucket. */
  beside(key: string): BucketObject {
    return new BucketObject(this.bucket, key, this.client);
  }

  /**
   * Requests the bytes from `start` to `end`, which is exclusive. Returns `undefined` when there is no object. `etag`: the
   * object must be the same as before. Throws what the SDK throws.
   */
  async get(
    { start, end, etag }: { start?: number; end?: number; etag?: string | undefined } = {},
    signal?: AbortSignal,
  ): Promise<GetObjectCommandOutput | undefined> {
    const range = start === undefined || end === undefined ? undefined : `bytes=${start}-${end - 1}`;
    const command = new GetObjectCommand({
      ...this.place,
      ...(range !== undefined && { Range: range }),
      ...(etag !== undefined && { IfMatch: etag }),
    });
    try {
      return await this.client.send(command, signal ? { abortSignal: signal } : {});
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      throw error;
    }
  }

  async exists(signal?: AbortSignal): Promise<boolean> {
    try {
      const found = await this.get({ start: 0, end: 1 }, signal);
      await found?.Body?.transformToByteArray();
      return found !== undefined;
    } catch (error) {
      if (error instanceof S3ServiceException && error.name === 'InvalidRange') return true;
      throw error;
    }
  }

  /** Describes a request that failed. `verb` is that of the message: `read`. */
  async failure(verb: string, cause: unknown): Promise<FactoryError> {
    if (cause instanceof FactoryError) return cause;
    if (!(cause instanceof S3ServiceException && elsewhere.has(cause.name)))
      return s3Failure(`${verb} ${this.name}`, this.bucket, cause);
    const { id } = partitionOf(await this.client.config.region());
    return new FactoryError('StoreFailed', `cannot ${verb} ${this.name}: ${cause.name} in the partition ${id}`, {
      hint: `Check the name of the bucket and the AWS credentials. Only buckets of the partition ${id} can be used. Copy bundles between partitions with DataSync (docs/deployment.md).`,
      cause,
    });
  }
}

/** Errors of S3 for a bucket of another partition, or for credentials of another. */
const elsewhere = new Set(['NoSuchBucket', 'InvalidAccessKeyId']);
