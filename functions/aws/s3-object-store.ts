import {
  GetObjectCommand,
  NoSuchKey,
  paginateListObjectsV2,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { FactoryError } from '../errors.ts';
import { clientConfig } from './client-config.ts';
import { awsReason } from './failure-reason.ts';
import { assertKey, type ObjectStore } from '../state/object-store.ts';

/** The object store on AWS: one bucket. Its role needs `s3:GetObject`, `s3:PutObject` and `s3:ListBucket`. */
export class S3ObjectStore implements ObjectStore {
  readonly #bucket: string;
  readonly #client: S3Client;

  constructor(bucket: string, client: S3Client = new S3Client(clientConfig())) {
    this.#bucket = bucket;
    this.#client = client;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return (await this.#find(key))?.body;
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    assertKey(key);
    try {
      await this.#client.send(new PutObjectCommand({ Bucket: this.#bucket, Key: key, Body: body }));
    } catch (error) {
      throw this.#failure('write', key, error);
    }
  }

  /** https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html */
  async update(key: string, change: Parameters<ObjectStore['update']>[1]): Promise<boolean> {
    const found = await this.#find(key);
    const body = change(found?.body);
    if (!body) return true;
    const condition = found ? { IfMatch: found.etag } : { IfNoneMatch: '*' };
    try {
      await this.#client.send(new PutObjectCommand({ Bucket: this.#bucket, Key: key, Body: body, ...condition }));
      return true;
    } catch (error) {
      if (error instanceof S3ServiceException && overtaken.has(error.name)) return false;
      throw this.#failure('write', key, error);
    }
  }

  locate(key: string): string {
    return `s3://${this.#bucket}/${key}`;
  }

  /** S3 lists in the order of the keys' bytes, which for the characters of our keys is the order of strings. */
  async list(prefix: string): Promise<string[]> {
    const keys: string[] = [];
    try {
      for await (const page of paginateListObjectsV2(
        { client: this.#client },
        { Bucket: this.#bucket, Prefix: prefix },
      ))
        for (const { Key } of page.Contents ?? []) if (Key !== undefined) keys.push(Key);
    } catch (error) {
      throw this.#failure('list', prefix, error);
    }
    return keys;
  }

  async #find(key: string): Promise<{ body: Uint8Array; etag: string | undefined } | undefined> {
    assertKey(key);
    try {
      const { Body, ETag } = await this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: key }));
      return Body && { body: await Body.transformToByteArray(), etag: ETag };
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      throw this.#failure('read', key, error);
    }
  }

  #failure(verb: string, key: string, cause: unknown): FactoryError {
    const { text, networkHint } = awsReason(cause);
    return new FactoryError('StoreFailed', `cannot ${verb} ${this.locate(key)}: ${text}`, {
      hint:
        networkHint ??
        `Check that the bucket ${this.#bucket} exists in this region and that the role may use it (s3:GetObject, s3:PutObject, s3:ListBucket).`,
      cause,
    });
  }
}

/** Another writer was faster, is writing at this moment, or deleted the object. */
const overtaken = new Set(['PreconditionFailed', 'ConditionalRequestConflict', 'NoSuchKey']);
