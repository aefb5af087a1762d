import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  NoSuchUpload,
  type Part,
} from '@aws-sdk/client-s3';
import type { BucketObject } from './bucket-object.ts';

/** A multipart upload that has begun, and the parts that S3 has of it, from the first on without a gap. */
export interface Upload {
  readonly id: string;
  readonly parts: readonly CompletedPart[];
}

/** Starts an upload whose parts have checksums by SHA-256. Returns its id. Throws what the SDK throws. */
export async function startUpload(object: BucketObject, signal?: AbortSignal): Promise<string> {
  const command = new CreateMultipartUploadCommand({
    ...object.place,
    ContentType: 'application/x-tar',
    ChecksumAlgorithm: 'SHA256',
  });
  const { UploadId } = await object.client.send(command, optionsOf(signal));
  if (UploadId === undefined) throw new Error('the response holds no upload');
  return UploadId;
}

/**
 * Finds the newest upload of an object that has `parts` parts, each of `partBytes` bytes. Returns it with these alone:
 * parts after them are sent again. Throws what the SDK throws.
 */
export async function findUpload(
  object: BucketObject,
  wanted: { parts: number; partBytes: number },
  signal?: AbortSignal,
): Promise<Upload | undefined> {
  const [newest] = await uploadsOf(object, signal);
  if (newest === undefined) return undefined;
  const parts = await partsOf(object, newest, signal);
  const isUsable = ({ PartNumber, Size }: Part, index: number) => PartNumber === index + 1 && Size === wanted.partBytes;
  const used = parts.slice(0, wanted.parts);
  return used.length === wanted.parts && used.every(isUsable)
    ? { id: newest, parts: used.map(({ PartNumber, ETag, ChecksumSHA256 }) => ({ PartNumber, ETag, ChecksumSHA256 })) }
    : undefined;
}

/** Returns the parts of an upload in their order. The SDK's paginator asks for pages after the last one. */
async function partsOf(object: BucketObject, UploadId: string, signal: AbortSignal | undefined): Promise<Part[]> {
  const parts: Part[] = [];
  for (let marker: string | undefined, more = true; more;) {
    const command = new ListPartsCommand({ ...object.place, UploadId, PartNumberMarker: marker });
    const page = await object.client.send(command, optionsOf(signal));
    parts.push(...(page.Parts ?? []));
    more = page.IsTruncated === true;
    marker = page.NextPartNumberMarker;
  }
  return parts;
}

/** Removes every upload of an object that has not ended, so that nobody pays for its parts. Throws what the SDK throws. */
export async function abortUploads(object: BucketObject, signal?: AbortSignal): Promise<void> {
  for (const UploadId of await uploadsOf(object, signal)) {
    const command = new AbortMultipartUploadCommand({ ...object.place, UploadId });
    await object.client.send(command, optionsOf(signal)).catch((error: unknown) => {
      if (!(error instanceof NoSuchUpload)) throw error;
    });
  }
}

/** Returns the ids of the uploads of an object that have not ended, the newest first. */
async function uploadsOf(object: BucketObject, signal: AbortSignal | undefined): Promise<string[]> {
  const found: { id: string; initiated: number }[] = [];
  let marker: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {};
  for (let more = true; more;) {
    const command = new ListMultipartUploadsCommand({ Bucket: object.bucket, Prefix: object.key, ...marker });
    const page = await object.client.send(command, optionsOf(signal));
    for (const { Key, UploadId, Initiated } of page.Uploads ?? [])
      if (Key === object.key && UploadId !== undefined) found.push({ id: UploadId, initiated: Number(Initiated ?? 0) });
    more = page.IsTruncated === true;
    marker = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
  }
  return found.toSorted((a, b) => b.initiated - a.initiated).map(({ id }) => id);
}

function optionsOf(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal ? { abortSignal: signal } : {};
}
