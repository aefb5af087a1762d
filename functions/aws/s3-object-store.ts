import {
  GetObjectCommand,
  NoSuchKey,
  paginateListObjectsV2,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { FactoryError } from '../errors.ts';
import { clientConfig } from './client-config.ts';
import { s3Failure } from './s3-failure.ts';
import { assertKey, type ObjectStore, type PutOptions } from '../state/object-store.ts';

/**
 * The object store on AWS: one bucket, or the part of it below a prefix. Its role needs `s3:GetObject`, `s3:PutObject`
 * and `s3:ListBucket`.
 */
export class S3ObjectStore implements ObjectStore {
  readonly #bucket: string;
  readonly #client: S3Client;
  /** Empty, or a path with a slash at its end. */
  readonly #prefix: string;

  constructor(bucket: string, client: S3Client = new S3Client(clientConfig()), prefix = '') {
    this.#bucket = bucket;
    this.#client = client;
    this.#prefix = prefix;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return (await this.#find(key))?.body;
  }

  async put(key: string, body: Uint8Array, { contentType }: PutOptions = {}): Promise<void> {
    // A browser shows such an object, and keeps no copy: it may be gone tomorrow.
    const headers = { ContentType: contentType, ContentDisposition: 'inline', CacheControl: 'no-store' };
    await this.#write(key, body, undefined, contentType === undefined ? {} : headers);
  }

  async update(key: string, change: Parameters<ObjectStore['update']>[1]): Promise<boolean> {
    const found = await this.#find(key);
    const body = change(found?.body);
    return !body || this.#write(key, body, found ? { IfMatch: found.etag } : ifAbsent);
  }

  /**
   * Checks that objects can be written, that the server refuses a write whose condition does not hold, and that its
   * clock agrees with ours: otherwise no lock would hold. Throws `StoreFailed`.
   */
  async prepare(): Promise<void> {
    const write = (condition: Condition) => this.#write('probe', new Uint8Array(), condition);
    const place = this.locate('');
    const isConditional = !((await write(ifAbsent)) && (await write(ifAbsent))) && !(await write({ IfMatch: noEtag }));
    if (!isConditional) {
      throw new FactoryError('StoreFailed', `cannot lock ${place}: its server ignores the conditions of a write`, {
        hint: 'Use Amazon S3, or a server that supports If-Match and If-None-Match on PutObject.',
      });
    }
    const { systemClockOffset } = this.#client.config;
    if (Math.abs(systemClockOffset) < maxClockOffsetMs) return;
    const minutes = Math.round(Math.abs(systemClockOffset) / 60_000);
    const behind = systemClockOffset > 0 ? 'behind' : 'ahead of';
    const message = `cannot lock ${place}: the clock of this machine is ${minutes} minutes ${behind} that of S3`;
    throw new FactoryError('StoreFailed', message, { hint: 'Set the clock of this machine, for example with NTP.' });
  }

  locate(key: string): string {
    return `s3://${this.#bucket}/${this.#prefix}${key}`;
  }

  /** S3 lists in the order of the keys' bytes, which for the characters of our keys is the order of strings. */
  async list(prefix: string): Promise<string[]> {
    const query = { Bucket: this.#bucket, Prefix: `${this.#prefix}${prefix}` };
    const keys: string[] = [];
    try {
      for await (const page of paginateListObjectsV2({ client: this.#client }, query))
        for (const { Key } of page.Contents ?? []) if (Key !== undefined) keys.push(Key.slice(this.#prefix.length));
    } catch (error) {
      throw this.#failure('list', prefix, error);
    }
    return keys;
  }

  async #find(key: string): Promise<{ body: Uint8Array; etag: string | undefined } | undefined> {
    const command = new GetObjectCommand(this.#object(key));
    try {
      const { Body, ETag } = await this.#client.send(command);
      return Body && { body: await Body.transformToByteArray(), etag: ETag };
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      throw this.#failure('read', key, error);
    }
  }

  /**
   * Writes an object. Returns `false` when the condition does not hold.
   * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
   */
  async #write(
    key: string,
    body: Uint8Array,
    condition?: Condition,
    headers: Pick<PutObjectCommandInput, 'ContentType' | 'ContentDisposition' | 'CacheControl'> = {},
  ): Promise<boolean> {
    const command = new PutObjectCommand({ ...this.#object(key), Body: body, ...condition, ...headers });
    try {
      await this.#client.send(command);
      return true;
    } catch (error) {
      if (condition && error instanceof S3ServiceException && overtaken.has(error.name)) return false;
      throw this.#failure('write', key, error);
    }
  }

  #object(key: string): { Bucket: string; Key: string } {
    assertKey(key);
    return { Bucket: this.#bucket, Key: `${this.#prefix}${key}` };
  }

  #failure(verb: string, key: string, cause: unknown): FactoryError {
    return s3Failure(`${verb} ${this.locate(key)}`, this.#bucket, cause);
  }
}

type Condition = { IfMatch: string | undefined } | { IfNoneMatch: '*' };

const ifAbsent: Condition = { IfNoneMatch: '*' };
/** No object has this ETag. */
const noEtag = '"00000000000000000000000000000000"';

/** Shorter than the life of every lock. */
const maxClockOffsetMs = 5 * 60_000;

/** Another writer was faster, is writing at this moment, or deleted the object. */
const overtaken = new Set(['PreconditionFailed', 'ConditionalRequestConflict', 'NoSuchKey']);
