import pLimit from 'p-limit';
import { FactoryError } from '../../errors.ts';
import { hasBlob } from '../registry/blobs.ts';
import { type Checkpoint, CopyRecord } from './checkpoint.ts';
import { type BlobCopy, copyBlob } from './copy-blob.ts';
import {
  blobsInFlight,
  type CopiedImage,
  type CopyTotals,
  counting,
  finishImage,
  type ImageCopy,
} from './copy-image.ts';
import { type Deadline, Paused } from './deadline.ts';
import { inParallel } from '../../async/in-parallel.ts';
import type { Descriptor } from '../spec/manifest.ts';
import { type LayerUploads, takesParts } from './part-sink.ts';
import { forget, uploadInParts } from './resume-blob.ts';
import { type BlobTransfer, transferBlob } from './stream-blob.ts';

export interface SteppedCopy extends ImageCopy {
  deadline: Deadline;
  /** The result of an earlier call: see `Checkpoint`. Any other value is ignored. */
  checkpoint?: unknown;
  /** Used instead of the destination's upload sessions. */
  layerUploads?: LayerUploads | undefined;
}

/** Progress of a copy. */
export type SteppedResult = (CopiedImage | PausedCopy) & { checkpoint: Checkpoint };

/** A copy that the next call continues. */
export interface PausedCopy extends CopyTotals {
  paused: Paused;
}

/**
 * Copies an image like `copyImage`, as far as possible before the deadline. The next call resumes from its checkpoint,
 * within a blob where the destination supports it. Totals cover all calls and count each byte once.
 */
export async function copyImageInSteps(wanted: SteppedCopy): Promise<SteppedResult> {
  const { deadline, checkpoint, image, destination } = wanted;
  const record = CopyRecord.restore(checkpoint, image, destination, deadline.now());
  const totals = record.totals();
  const copy = { ...counting(wanted, totals), send: sendInSteps(wanted, record) };
  // Begin with interrupted blobs, which then have the most time; the rest as always.
  const begun = ({ digest }: Descriptor) => Number(record.open.has(digest) || record.interrupted.has(digest));
  const blobs = image.blobs.toSorted((a, b) => begun(b) - begun(a) || b.size - a.size);
  const write = () => record.write(deadline.now());
  try {
    return await deadline.during([wanted.source.registry, destination.registry], wanted.signal, async (signal) => {
      await inParallel(blobs, blobsInFlight, signal, (blob, each) =>
        step({ ...copy, signal: each }, blob, record, deadline),
      );
      if (!record.complete) throw new Paused();
      const confirmed = await finishImage({ ...copy, signal });
      return { ...totals, confirmed, checkpoint: write() };
    });
  } catch (error) {
    if (!(error instanceof Paused)) throw error;
    return { ...totals, paused: error, checkpoint: write() };
  }
}

/** Copies one blob, or leaves it to the next call. */
async function step(copy: BlobCopy, blob: Descriptor, record: CopyRecord, deadline: Deadline): Promise<void> {
  if (await isThere(copy, blob, record)) return;
  if (!deadline.admits) return;
  try {
    const how = await copyBlob(copy, blob);
    // The destination has the blob after all: subtract what was sent of it.
    if (how === 'skipped') {
      forget({ record, blob, onBytes: (bytes) => copy.onProgress?.({ kind: 'transferred', bytes }) });
    }
    record.finish(blob.digest, how);
  } catch (error) {
    // This blob paused by itself; the others continue until their time is up.
    if (!(error instanceof Paused) || copy.signal?.aborted) throw error;
  }
}

/**
 * Returns whether a finished blob is still at the destination. Uncounts a missing one, so that it is copied and counted
 * again.
 */
async function isThere(copy: BlobCopy, blob: Descriptor, record: CopyRecord): Promise<boolean> {
  const { digest, size } = blob;
  if (!record.finished(digest)) return false;
  const { destination, ledger, signal } = copy;
  // Where HEAD is not supported, the push of the manifest detects a missing blob.
  if (!destination.registry.profile.headBlob || (await hasBlob(destination, blob, signal))) {
    ledger.record(digest, destination.name);
    return true;
  }
  copy.onProgress?.({ kind: record.uploaded.has(digest) ? 'transferred' : 'skipped', bytes: -size });
  record.uploaded.delete(digest);
  record.skipped.delete(digest);
  return false;
}

/** Parts are held in memory while they are sent. */
const partUploadsInFlight = 2;

/** Assumed speed of a transfer, in bytes per millisecond. */
const assumedSpeed = (8 * 1024 * 1024) / 1_000;

/** Maximum number of interrupted transfers of one blob. */
const mostInterruptions = 2;

/**
 * Sends a blob in parts when it may not finish by the deadline and the destination supports it; otherwise in one piece.
 */
function sendInSteps({ deadline, layerUploads }: SteppedCopy, record: CopyRecord): NonNullable<BlobCopy['send']> {
  const limited = pLimit(partUploadsInFlight);
  return async (transfer) => {
    const { blob, destination, signal } = transfer;
    const { digest, size } = blob;
    const upload = { ...transfer, layerUploads, record, deadline };
    const interruptions = record.interrupted.get(digest) ?? 0;
    const begun = record.open.has(digest) || interruptions > 0;
    // A blob that fits into one part gains nothing: an interruption loses the whole part.
    const large = size > destination.registry.profile.chunkBytes;
    if (large && takesParts(upload) && (begun || size / assumedSpeed > deadline.left)) {
      const how = await limited(async () => {
        if (!deadline.admits) throw new Paused();
        return uploadInParts(upload);
      });
      if (how !== 'refused') return how;
    }
    forget(upload);
    if (large && interruptions >= mostInterruptions) throw tooLarge(transfer, interruptions);
    try {
      return await transferBlob(transfer);
    } catch (error) {
      const reason: unknown = signal?.aborted && signal.reason;
      if (reason instanceof Paused && reason.notBefore === undefined) record.interrupted.set(digest, interruptions + 1);
      throw error;
    }
  };
}

function tooLarge({ blob, destination: { registry, name } }: BlobTransfer, times: number): FactoryError {
  return new FactoryError(
    'RegistryFailed',
    `blob ${blob.digest} of ${blob.size} bytes did not reach ${registry.name}/${name} within one call, ${times} times`,
    {
      hint: 'This registry cannot resume uploads. Give the copy function more time or memory, or run the factory where calls have no time limit: the local command.',
    },
  );
}
