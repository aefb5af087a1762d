import type { FactoryError } from '../../errors.ts';
import { longestAt, type OpenUpload } from './checkpoint.ts';
import { RegistryFailure } from '../registry/registry-failure.ts';
import type { BlobTransfer } from './stream-blob.ts';
import { chunkBytes, complete, sendChunk } from '../registry/blob-upload.ts';
import { UploadRefusal } from '../registry/upload-refusal.ts';
import { cancelUpload, startUpload, uploadProgress, type UploadSession } from '../registry/upload-session.ts';

/** Where the parts of one blob go, one after the other. */
export interface PartSink {
  readonly kind: OpenUpload['kind'];
  /** Bytes of every part but the last. */
  readonly partBytes: number;
  /** Bytes that the destination already has. */
  readonly received: number;
  /** Where the upload goes on: see `OpenUpload.at`. */
  readonly at: string;
  /** Sends bytes that begin at `offset`; returns how many the destination then has. Throws `UploadLost`. */
  send(bytes: Buffer, offset: number): Promise<number>;
  /** Makes a blob of what was sent. Throws `UploadLost`. */
  complete(): Promise<void>;
  /** Best effort. */
  cancel(): Promise<void>;
}

/** A registry's own uploads in parts, beside the OCI API: their state is kept by id, and known when a part is refused. */
export interface LayerUploads {
  /** Bytes of the largest blob that can be sent so. */
  readonly largestBlob: number;
  /** `undefined` when there is no such repository: a push by the OCI API may create it. */
  start(repository: string, signal?: AbortSignal): Promise<{ id: string; partBytes: number } | undefined>;
  /** Sends bytes that begin at `offset`; returns how many the registry then has. Throws `UploadLost`. */
  send(part: LayerPart, signal?: AbortSignal): Promise<number>;
  /** Throws `UploadLost`, also when the registry has bytes of another digest. */
  complete(upload: Pick<LayerPart, 'repository' | 'id'>, digest: string, signal?: AbortSignal): Promise<void>;
}

export interface LayerPart {
  repository: string;
  id: string;
  bytes: Uint8Array;
  offset: number;
}

/** The destination knows an upload no more, or differently: the blob is sent from its start. */
export class UploadLost extends Error {
  override readonly name = 'UploadLost';
  /** What is told when that helps no more. */
  readonly failure: FactoryError;

  constructor(failure: FactoryError) {
    super(failure.message, { cause: failure });
    this.failure = failure;
  }
}

export interface PartTransfer extends BlobTransfer {
  layerUploads?: LayerUploads | undefined;
}

/** Whether a blob can be sent there in parts, as far as is known before it is tried. */
export function takesParts({ destination: { registry }, blob, layerUploads }: PartTransfer): boolean {
  // ECR names layers by sha256 alone.
  if (layerUploads) return blob.digest.startsWith('sha256:') && blob.size <= layerUploads.largestBlob;
  return registry.profile.rangeTrusted;
}

/** Opens an upload in parts, unless the blob can be mounted; `undefined` where it turns out that there are none. */
export async function openSink(transfer: PartTransfer): Promise<PartSink | 'mounted' | undefined> {
  const { destination, blob, mountFrom, layerUploads, signal } = transfer;
  if (layerUploads && mountFrom === undefined) return startLayer(transfer, layerUploads);
  const session = await startUpload(destination, blob.digest, mountFrom, signal);
  if (session === 'mounted') return session;
  if (layerUploads) return startLayer(transfer, layerUploads);
  const partBytes = chunkBytes(destination, session);
  if (partBytes !== undefined && pathOf(transfer, session.location) !== undefined)
    return new SessionSink(transfer, session, partBytes);
  await cancelUpload(destination, session);
  return undefined;
}

/** Goes on with an upload of an earlier call; `undefined` when the destination has less of it than was acknowledged. */
export async function resumeSink(transfer: PartTransfer, open: OpenUpload): Promise<PartSink | undefined> {
  const { destination, blob, layerUploads, signal } = transfer;
  if (open.kind === 'layer')
    return (
      layerUploads && new LayerSink(transfer, layerUploads, { id: open.at, partBytes: open.partBytes }, open.offset)
    );
  const { registry, name } = destination;
  if (layerUploads || !registry.profile.rangeTrusted) return undefined;
  try {
    const location = registry.resolve(open.at, `${name}/blobs/uploads/`);
    if (pathOf(transfer, location) === undefined) return undefined;
    const progress = await uploadProgress(destination, location, signal);
    if (!progress || progress.received < open.offset || progress.received > blob.size) return undefined;
    const session = { location: progress.location, minChunkBytes: undefined, maxChunkBytes: undefined };
    return new SessionSink(transfer, session, open.partBytes, progress.received);
  } catch (error) {
    // The registry does not know it, or what it was is no address.
    if (error instanceof RegistryFailure && !error.transient) return undefined;
    throw error;
  }
}

/** A session is kept by its path: one that lives elsewhere, perhaps with a signature in its address, is not kept. */
function pathOf({ destination: { registry } }: PartTransfer, location: URL): string | undefined {
  const path = location.pathname + location.search;
  return location.origin === registry.resolve('/', '').origin && path.length <= longestAt ? path : undefined;
}

/** A session of the OCI API that takes chunks (distribution-spec, "Pushing a blob in chunks"). */
class SessionSink implements PartSink {
  readonly kind = 'session';
  readonly partBytes: number;
  readonly received: number;
  readonly #transfer: PartTransfer;
  readonly #session: UploadSession;

  constructor(transfer: PartTransfer, session: UploadSession, partBytes: number, received = 0) {
    this.#transfer = transfer;
    this.#session = { ...session };
    this.partBytes = partBytes;
    this.received = received;
  }

  get at(): string {
    return pathOf(this.#transfer, this.#session.location) ?? '';
  }

  async send(bytes: Buffer, offset: number): Promise<number> {
    await this.#attempt(async (upload) => {
      this.#session.location = await sendChunk(upload, this.#session.location, bytes, offset);
    });
    return offset + bytes.length;
  }

  complete(): Promise<void> {
    return this.#attempt((upload) => complete(upload, this.#session.location));
  }

  cancel(): Promise<void> {
    return cancelUpload(this.#transfer.destination, this.#session);
  }

  async #attempt(work: (upload: Parameters<typeof complete>[0]) => Promise<void>): Promise<void> {
    const { destination, blob, signal } = this.#transfer;
    try {
      await work({ repository: destination, blob, signal });
    } catch (error) {
      const refusal = UploadRefusal.of('chunk', error);
      // A session that was taken up again may stand elsewhere than we think: only a new one tells what is refused.
      if (isLost(error) || (refusal && this.received > 0)) throw new UploadLost(error as RegistryFailure);
      throw refusal ?? error;
    }
  }
}

function isLost(error: unknown): boolean {
  if (!(error instanceof RegistryFailure)) return false;
  return error.status === 404 || error.code === 'BLOB_UPLOAD_UNKNOWN' || error.code === 'DIGEST_INVALID';
}

async function startLayer(transfer: PartTransfer, uploads: LayerUploads): Promise<PartSink | undefined> {
  const started = await uploads.start(transfer.destination.name, transfer.signal);
  return started && new LayerSink(transfer, uploads, started, 0);
}

/** An upload of the registry's own. Nothing can cancel it. */
class LayerSink implements PartSink {
  readonly kind = 'layer';
  readonly partBytes: number;
  readonly received: number;
  readonly at: string;
  readonly #transfer: PartTransfer;
  readonly #uploads: LayerUploads;

  constructor(
    transfer: PartTransfer,
    uploads: LayerUploads,
    { id, partBytes }: { id: string; partBytes: number },
    received: number,
  ) {
    this.#transfer = transfer;
    this.#uploads = uploads;
    this.at = id;
    this.partBytes = partBytes;
    this.received = received;
  }

  send(bytes: Buffer, offset: number): Promise<number> {
    const { destination, signal } = this.#transfer;
    return this.#uploads.send({ repository: destination.name, id: this.at, bytes, offset }, signal);
  }

  complete(): Promise<void> {
    const { destination, blob, signal } = this.#transfer;
    return this.#uploads.complete({ repository: destination.name, id: this.at }, blob.digest, signal);
  }

  async cancel(): Promise<void> {}
}
