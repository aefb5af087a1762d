import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { BucketObject } from '../../functions/aws/bucket-object.ts';
import { region } from './moto-server.ts';
import { shareMotoServer } from './shared-moto-server.ts';

/** Starts an S3 with the bucket `bundles`. */
export async function startBundlesBucket() {
  const moto = await shareMotoServer();
  const newClient = () => new S3Client({ ...moto.config, forcePathStyle: true });
  const client = newClient();
  const Bucket = 'bundles';
  const CreateBucketConfiguration = { LocationConstraint: region } as const;
  await client.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration }));
  // Each object has its own client, because readers and writers close theirs.
  const object = (key: string, own = newClient()) => new BucketObject(Bucket, key, own);
  return {
    endpoint: moto.config.endpoint,
    client,
    newClient,
    object,
    put: (Key: string, Body: Uint8Array | string) => client.send(new PutObjectCommand({ Bucket, Key, Body })),
    async uploads(key: string) {
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: key }));
      return Uploads.map(({ UploadId }) => UploadId);
    },
    /** Reads an object whole, by one request. */
    async stored(Key: string) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
      return Body instanceof Readable ? buffer(Body) : Buffer.alloc(0);
    },
    async close() {
      client.destroy();
      await moto.close();
    },
  };
}
