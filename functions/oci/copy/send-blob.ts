import pLimit from 'p-limit';
import { inTurn } from '../../async/in-turn.ts';
import { FactoryError } from '../../errors.ts';
import type { BlobCopy } from './copy-blob.ts';
import { Deadline, Paused } from './deadline.ts';
import { takesParts } from './part-sink.ts';
import { type PartUpload, uploadInParts } from './resume-blob.ts';
import { type BlobTransfer, transferBlob } from './stream-blob.ts';

/** Limits the uploads in parts of all images: each holds up to two parts in memory, one that is sent and the next. */
const partUploads = pLimit(2);

/** Assumed speed of a transfer, in bytes per millisecond. */
const assumedSpeed = (8 * 1024 * 1024) / 1_000;

/**
 * Time that a copy without a deadline may lose when its process is killed, in milliseconds: at the assumed speed,
 * layers of up to 120 MiB are sent in one stream. Parts cost a slower hash: see `resumableHash`.
 */
const acceptableLoss = 15_000;

/** Maximum number of interrupted transfers of one blob. */
const mostInterruptions = 2;

/**
 * Returns the function that sends the blobs of an image: in parts when an interruption would cost too much and the
 * destination supports parts; otherwise in one stream.
 */
export function blobSender(
  progress: Pick<PartUpload, 'record' | 'deadline' | 'layerUploads' | 'save'>,
): NonNullable<BlobCopy['send']> {
  const { record, deadline, save } = progress;
  const left = () => (deadline === Deadline.never && save ? acceptableLoss : deadline.left);
  return async (transfer) => {
    const { blob, destination, signal } = transfer;
    const { digest, size } = blob;
    const upload = { ...transfer, ...progress };
    const interruptions = record.interrupted.get(digest) ?? 0;
    const begun = record.open.has(digest) || interruptions > 0;
    // A blob that fits into one part gains nothing: an interruption loses the whole part.
    const large = size > destination.registry.profile.chunkBytes;
    if (large && takesParts(upload) && (begun || size / assumedSpeed > left())) {
      const how = await inTurn(partUploads, signal, async () => {
        if (!deadline.admits) throw new Paused();
        return uploadInParts(upload);
      });
      if (how !== 'refused') return how;
    }
    record.forget(digest, upload.onBytes);
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
      hint: 'Copy without a time limit, or allow each call more time or bandwidth: the registry cannot resume uploads.',
    },
  );
}
