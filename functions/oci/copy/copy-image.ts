import { type BlobCopy, copyBlob, type CopyProgress } from './copy-blob.ts';
import { inParallel } from '../../async/in-parallel.ts';
import { type ManifestsPush, pushManifests } from './push-manifests.ts';

export type { CopyProgress } from './copy-blob.ts';

/** Blobs of one image in flight at once, as many as requests to one registry (`host-limits.ts`). */
export const blobsInFlight = 16;

/** Adds the next blobs, whose uploads are opened while the first are sent. */
const blobsUnderWay = 2 * blobsInFlight;

export type ImageCopy = ManifestsPush;

export interface CopyTotals {
  bytesTransferred: number;
  bytesSkipped: number;
}

export interface CopiedImage extends CopyTotals {
  /** The registry confirmed the root's digest on push, so no further check is needed. */
  confirmed: boolean;
}

/**
 * Copies an image, bytes unchanged: blobs in parallel, then manifests, the root last. A client that sees the tag finds
 * everything below it.
 */
export async function copyImage(wanted: ImageCopy): Promise<CopiedImage> {
  const totals: CopyTotals = { bytesTransferred: 0, bytesSkipped: 0 };
  const copy = counting(wanted, totals);
  // Largest first: a large blob that starts last would finish alone.
  const blobs = copy.image.blobs.toSorted((a, b) => b.size - a.size);
  await inParallel(blobs, blobsUnderWay, copy.signal, async (blob, signal) => {
    await copyBlob({ ...copy, signal }, blob);
  });
  return { ...totals, confirmed: await finishImage(copy) };
}

/** Returns the same copy, which adds transferred and skipped bytes to `totals`. */
export function counting<T extends Pick<BlobCopy, 'onProgress'>>(copy: T, totals: CopyTotals): T {
  const onProgress = (event: CopyProgress) => {
    if (event.kind === 'transferred') totals.bytesTransferred += event.bytes;
    else totals.bytesSkipped += event.bytes;
    copy.onProgress?.(event);
  };
  return { ...copy, onProgress };
}

/**
 * Pushes the manifests of an image whose blobs are at the destination. Returns whether the registry confirmed the
 * root's digest.
 */
export async function finishImage(copy: ImageCopy): Promise<boolean> {
  const arrived = await pushManifests(copy);
  for (const blob of copy.image.blobs) copy.ledger.record(blob.digest, copy.destination.name);
  return arrived === copy.image.root.digest;
}
