import { FactoryError } from '../errors.ts';
import { retry, type Verdict } from '../http/retry.ts';
import { readBlob } from './blob-reader.ts';
import { cancelUpload, finishUpload, startUpload } from './blobs.ts';
import type { Descriptor } from './manifest.ts';
import type { Repository } from './manifests.ts';
import { judgeFailure } from './registry.ts';
import { RegistryFailure } from './registry-failure.ts';
import { verifiedStream } from './verified-stream.ts';

export interface BlobTransfer {
  source: Repository;
  destination: Repository;
  blob: Descriptor;
  /** A repository of the destination's registry that may hold the blob already. */
  mountFrom?: string | undefined;
  /** Told of every piece as it passes; a negative number takes back what a failed attempt had moved. */
  onBytes?: ((bytes: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** Streams one blob from registry to registry, without a temporary file. */
export async function transferBlob(transfer: BlobTransfer): Promise<'mounted' | 'uploaded'> {
  const { destination, blob, signal, onBytes } = transfer;
  return retry(
    async () => {
      const upload = await startUpload(destination, blob.digest, transfer.mountFrom, signal);
      if (upload.mounted) return 'mounted';
      let moved = 0;
      let failed = false;
      const count = (bytes: number) => {
        // A piece may still be on its way through the stream when the request has failed.
        if (failed) return;
        moved += bytes;
        onBytes?.(bytes);
      };
      try {
        await stream(transfer, upload.session, count);
        return 'uploaded';
      } catch (error) {
        failed = true;
        onBytes?.(-moved);
        await cancelUpload(destination, upload.session);
        throw error;
      }
    },
    { ...destination.registry.retryPolicy, signal, judge },
  );
}

async function stream(transfer: BlobTransfer, session: URL, count: (bytes: number) => void): Promise<void> {
  const { source, destination, blob, signal } = transfer;
  // The request fails with its own view of a stream that broke; the stream's reason is the true one.
  let reason: unknown;
  const body = remember(verifiedStream(readBlob(source, blob, signal), blob, count), (error) => (reason = error));
  try {
    await finishUpload(destination, session, blob, body, signal);
  } catch (error) {
    throw reason ?? error;
  } finally {
    await body.return(undefined);
  }
}

async function* remember(
  body: AsyncIterable<Uint8Array>,
  onError: (error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    onError(error);
    throw error;
  }
}

function judge(error: unknown): Verdict {
  if (error instanceof RegistryFailure) {
    if (error.exhausted && error.code !== 'BLOB_UPLOAD_UNKNOWN') return { retry: false };
    // A session that the registry forgot, or a token that ran out while streaming: a new session heals both.
    const fresh = error.code === 'BLOB_UPLOAD_UNKNOWN' || error.status === 401;
    return fresh ? { retry: true } : judgeFailure(error);
  }
  // One corrupted transfer is an accident; the attempts are bounded.
  return { retry: error instanceof FactoryError && error.name === 'DigestMismatch' };
}
