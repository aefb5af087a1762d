import { linkedAbort } from '../../async/linked-abort.ts';
import { retry, type Verdict } from '../../http/retry.ts';
import type { Descriptor } from '../spec/manifest.ts';
import type { Repository } from '../registry/repository.ts';
import type { Source } from '../registry/source.ts';
import { sendingBy, type UploadWay } from '../registry/profile.ts';
import { judgeFailure } from '../registry/registry.ts';
import { RegistryFailure } from '../registry/registry-failure.ts';
import { watched } from './watched-stream.ts';
import { sendBlob, wayInto } from '../registry/blob-upload.ts';
import { UploadRefusal } from '../registry/upload-refusal.ts';
import { cancelUpload, startUpload, type UploadSession } from '../registry/upload-session.ts';
import { isMismatch, verifiedStream } from './verified-stream.ts';

export interface BlobTransfer {
  source: Source;
  destination: Repository;
  blob: Descriptor;
  /** A repository of the destination's registry that may hold the blob already, perhaps the destination itself. */
  mountFrom?: string | undefined;
  /** Receives the size of every chunk that passes; negative to subtract the bytes of a failed attempt. */
  onBytes?: ((bytes: number) => void) | undefined;
  /** Timeout for a destination that stops reading, in milliseconds. Default: 30,000. */
  stallMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

const defaultStallMs = 30_000;

/** Streams one blob from its source to a registry, without a temporary file. */
export async function transferBlob(transfer: BlobTransfer): Promise<'mounted' | 'uploaded'> {
  const { destination, blob, signal } = transfer;
  const { registry } = destination;
  const refused = new Set<UploadWay>();
  let way: UploadWay | undefined;
  // Terminates, since no refused method is tried again.
  for (;;) {
    try {
      return await retry((n) => attempt(n === 1 ? transfer : resumed(transfer), way), {
        ...registry.retryPolicy,
        signal,
        judge,
      });
    } catch (error) {
      if (!(error instanceof UploadRefusal)) throw error;
      refused.add(error.way);
      if (refused.has(error.instead)) throw error.failure;
      way = error.instead;
      registry.adapt(
        sendingBy(way, blob.size, registry.profile),
        `${registry.name} refused a blob of ${blob.size} bytes sent by ${error.way} (HTTP ${error.failure.status}); sending such blobs by ${way} from now on`,
      );
    }
  }
}

/** A registry may have stored a blob that it failed to confirm: it can mount that from the repository itself. */
function resumed(transfer: BlobTransfer): BlobTransfer {
  const { name, registry } = transfer.destination;
  return { ...transfer, mountFrom: registry.profile.mount === 'never' ? undefined : name };
}

async function attempt(transfer: BlobTransfer, wanted: UploadWay | undefined): Promise<'mounted' | 'uploaded'> {
  const { destination, blob, signal, onBytes } = transfer;
  const session = await startUpload(destination, blob.digest, transfer.mountFrom, signal);
  if (session === 'mounted') return session;
  const way = wanted ?? wayInto(destination, session, blob);
  let moved = 0;
  let failed = false;
  const count = (bytes: number) => {
    // A chunk may still pass through the stream after the request has failed.
    if (failed) return;
    moved += bytes;
    onBytes?.(bytes);
  };
  try {
    await stream(transfer, session, way, count);
    return 'uploaded';
  } catch (error) {
    failed = true;
    onBytes?.(-moved);
    await cancelUpload(destination, session.location);
    throw error;
  }
}

async function stream(
  transfer: BlobTransfer,
  session: UploadSession,
  way: UploadWay,
  count: (bytes: number) => void,
): Promise<void> {
  const { source, destination, blob, stallMs = defaultStallMs } = transfer;
  using stalled = linkedAbort(transfer.signal);
  const { signal } = stalled;
  // The request reports a broken stream in its own terms; the stream has the true reason.
  let reason: unknown;
  const body = watched(
    verifiedStream(source.blob(blob, { signal }), blob, { onBytes: count, wrong: source.mismatch }),
    {
      // Each chunk is one request, with its own timeout and retries.
      stallMs: way === 'chunk' ? undefined : stallMs,
      onStall: () => stalled.abort(stall(transfer, stallMs)),
      onError: (error) => (reason = error),
    },
  );
  try {
    await sendBlob({ repository: destination, session, blob, way, body, signal });
  } catch (error) {
    // The source served the manifest, so it permits the pull: a 401 here is an expired token, no matter how often in a
    // row.
    if (reason instanceof RegistryFailure && reason.status === 401) reason.exhausted = false;
    throw reason ?? UploadRefusal.of(way, error) ?? error;
  } finally {
    await body.return(undefined);
  }
}

function stall({ destination: { registry, name }, blob }: BlobTransfer, stallMs: number): RegistryFailure {
  return new RegistryFailure(
    'RegistryUnreachable',
    `${registry.name} accepted no data of blob ${blob.digest} for ${name} within ${stallMs / 1000} s`,
    { hint: 'Try again; check the proxies and firewalls in between.', status: 0, transient: true },
  );
}

function judge(error: unknown): Verdict {
  // A new transfer cures corrupted bytes, an expired session, and a token that expired during the upload.
  const { code, status, exhausted } = error instanceof RegistryFailure ? error : {};
  const cured = code === 'BLOB_UPLOAD_UNKNOWN' || code === 'DIGEST_INVALID' || (status === 401 && !exhausted);
  return cured || isMismatch(error) ? { retry: true } : judgeFailure(error);
}
