import { inParallel } from '../../async/in-parallel.ts';
import { hasBlob } from '../registry/blobs.ts';
import type { Repository } from '../registry/repository.ts';
import type { Source } from '../registry/source.ts';
import { type Image, loadImage } from '../spec/image.ts';
import { type Descriptor, isLeftAtItsUrls } from '../spec/manifest.ts';
import { BlobLedger } from './blob-ledger.ts';
import { type Checkpoint, CopyRecord } from './checkpoint.ts';
import { type BlobCopy, copyBlob, type CopyProgress } from './copy-blob.ts';
import { Deadline, Paused } from './deadline.ts';
import type { LayerUploads } from './part-sink.ts';
import { pushManifests } from './push-manifests.ts';
import { blobSender } from './send-blob.ts';

export type { CopyProgress } from './copy-blob.ts';

/** Blobs of one image under way at once: 16 that are sent (`host-limits.ts`), and 8 whose uploads are opened meanwhile. */
const blobsUnderWay = 24;

export type CopyOptions = CopySettings &
  (
    | {
        /** Tag of the image, at the source and at the destination. */
        tag: string;
        image?: undefined;
      }
    | {
        /** The image, where it was read before. */
        image: Image;
        /** Tag at the destination. Without one, the root is stored under its digest alone. */
        tag?: string | undefined;
      }
  );

interface CopySettings extends Omit<BlobCopy, 'source' | 'destination' | 'ledger' | 'send'> {
  /** Shared by copies to one registry, it saves uploads of blobs that they share. Default: a new one. */
  ledger?: BlobLedger;
  /** Time limit of this call. Default: none. */
  deadline?: Deadline;
  /** The last checkpoint of an interrupted copy. Any other value is ignored. */
  checkpoint?: unknown;
  /**
   * Stores the progress: after each part of a large blob, and when the copy pauses. A copy that was killed resumes
   * there. Totals cover all calls, and count each byte once.
   */
  onCheckpoint?: (checkpoint: Checkpoint, totals: CopyTotals) => Promise<void>;
  /** Used instead of the destination's upload sessions. */
  layerUploads?: LayerUploads | undefined;
}

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
 * everything below it. Resumes from the checkpoint, within a blob where the destination supports it.
 *
 * @throws {Paused} When the deadline nears, or a registry requires a longer pause than the time left.
 */
export async function copyImage(source: Source, destination: Repository, options: CopyOptions): Promise<CopiedImage> {
  const { ledger = new BlobLedger(), deadline = Deadline.never, checkpoint, onCheckpoint, layerUploads } = options;
  const image = options.image ?? (await readImage(source, options.tag, options.signal));
  const record = CopyRecord.restore(checkpoint, image, destination, deadline.now());
  const totals = record.totals();
  const save = onCheckpoint && (() => onCheckpoint(record.write(deadline.now()), { ...totals }));
  const send = blobSender({ record, deadline, layerUploads, save });
  const copy = { ...counting(options, totals), source, destination, image, tag: options.tag, ledger, send };
  // Begin with interrupted blobs, which then have the most time. Then the largest: started last, it would finish alone.
  const begun = ({ digest }: Descriptor) => Number(record.open.has(digest) || record.interrupted.has(digest));
  const blobs = image.blobs.toSorted((a, b) => begun(b) - begun(a) || b.size - a.size);
  const registries = source.registry ? [source.registry, destination.registry] : [destination.registry];
  try {
    return await deadline.during(registries, options.signal, async (signal) => {
      await inParallel(blobs, blobsUnderWay, signal, (blob, each) =>
        copyUnfinished({ ...copy, signal: each }, blob, record, deadline),
      );
      if (!record.complete) throw new Paused();
      const arrived = await pushManifests({ ...copy, signal });
      for (const blob of image.blobs) recordIn(ledger, blob, destination);
      return { ...totals, confirmed: arrived === image.root.digest };
    });
  } catch (error) {
    if (error instanceof Paused) await save?.();
    throw error;
  }
}

async function readImage(source: Source, tag: string, signal?: AbortSignal): Promise<Image> {
  return loadImage(await source.manifest(tag, signal), (digest) => source.manifest(digest, signal));
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

/** Copies one blob unless an earlier call finished it, or leaves it to the next call. */
async function copyUnfinished(copy: BlobCopy, blob: Descriptor, record: CopyRecord, deadline: Deadline): Promise<void> {
  if (await isThere(copy, blob, record)) return;
  if (!deadline.admits) return;
  try {
    const how = await copyBlob(copy, blob);
    // The destination has the blob after all: subtract what was sent of it.
    if (how === 'skipped') record.forget(blob.digest, (bytes) => copy.onProgress?.({ kind: 'transferred', bytes }));
    record.finish(blob.digest, how);
  } catch (error) {
    // This blob paused by itself; the others continue until their time is up.
    if (!(error instanceof Paused) || copy.signal?.aborted) throw error;
  }
}

/** Records a finished blob, but not a layer that clients get from its addresses: it may be missing at the destination. */
function recordIn(ledger: BlobLedger, blob: Descriptor, destination: Repository): void {
  if (!isLeftAtItsUrls(blob)) ledger.record(blob.digest, destination.name);
}

/** Returns whether a finished blob is still at the destination. A missing one is copied and counted again. */
async function isThere(copy: BlobCopy, blob: Descriptor, record: CopyRecord): Promise<boolean> {
  const { digest, size } = blob;
  if (!record.finished(digest)) return false;
  const { destination, ledger, signal } = copy;
  // Where HEAD is not supported, the push of the manifest detects a missing blob.
  if (!destination.registry.profile.headBlob || (await hasBlob(destination, blob, signal))) {
    recordIn(ledger, blob, destination);
    return true;
  }
  copy.onProgress?.({ kind: record.uploaded.has(digest) ? 'transferred' : 'skipped', bytes: -size });
  record.uploaded.delete(digest);
  record.skipped.delete(digest);
  return false;
}
