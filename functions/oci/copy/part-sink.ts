import type { FactoryError } from '../../errors.ts';
import { longestAt, type OpenUpload } from './checkpoint.ts';
import { RegistryFailure } from '../registry/registry-failure.ts';
import type { BlobTransfer } from './stream-blob.ts';
import { chunkBytes, complete, sendChunk } from '../registry/blob-upload.ts';
import { UploadRefusal } from '../registry/upload-refusal.ts';
import { cancelUpload, startUpload, uploadProgress } from '../registry/upload-session.ts';

/** The destination of the parts of one blob, in sequence. */
export interface PartSink {
  readonly kind: OpenUpload['kind'];
  /** Bytes of every part but the last. */
  readonly partBytes: number;
  /** Bytes that the destination already has. */
  readonly received: number;
  /** Location of the upload: see `OpenUpload.at`. */
  readonly at: string;
  /** Sends bytes that begin at `offset`. Returns how many bytes the destination then has. Throws `UploadLost`. */
  send(bytes: Buffer, offset: number): Promise<number>;
  /** Completes the blob. Throws `UploadLost`. */
  complete(): Promise<void>;
  /** Best effort. */
  cancel(): Promise<void>;
}

/** A registry's own API for uploads in parts. An upload has an id, and survives a refused part. */
export interface LayerUploads {
  /** Size of the largest blob that this API accepts, in bytes. */
  readonly largestBlob: number;
  /** Returns `undefined` when the repository does not exist: a push by the OCI API may create it. */
  start(repository: string, signal?: AbortSignal): Promise<LayerUpload | undefined>;
  /** Sends bytes that begin at `offset`. Returns how many bytes the registry then has. Throws `UploadLost`. */
  send(part: LayerPart, signal?: AbortSignal): Promise<number>;
  /** Completes the blob. Throws `UploadLost`, also when the registry has bytes of another digest. */
  complete(upload: Pick<LayerPart, 'repository' | 'id'>, digest: string, signal?: AbortSignal): Promise<void>;
}

export interface LayerUpload {
  id: string;
  partBytes: number;
}

export interface LayerPart {
  repository: string;
  id: string;
  bytes: Uint8Array;
  offset: number;
}

/** The destination no longer has the upload, or has it in another state. The blob is sent from its start. */
export class UploadLost extends Error {
  override readonly name = 'UploadLost';
  /** The error to report when that does not help either. */
  readonly failure: FactoryError;

  constructor(failure: FactoryError) {
    super(failure.message, { cause: failure });
    this.failure = failure;
  }
}

export interface PartTransfer extends BlobTransfer {
  layerUploads?: LayerUploads | undefined;
}

/** Returns whether the destination should accept a blob in parts, as far as is known before the first attempt. */
export function takesParts({ destination: { registry }, blob, layerUploads }: PartTransfer): boolean {
  // ECR supports only sha256 for layers.
  if (layerUploads) return blob.digest.startsWith('sha256:') && blob.size <= layerUploads.largestBlob;
  return registry.profile.rangeTrusted;
}

/** Opens an upload in parts, or mounts the blob. Returns `refused` when the destination supports no uploads in parts. */
export async function openSink(transfer: PartTransfer): Promise<PartSink | 'mounted' | 'refused'> {
  const { destination, blob, mountFrom, layerUploads, signal } = transfer;
  if (layerUploads && mountFrom === undefined) return startLayer(transfer, layerUploads);
  const session = await startUpload(destination, blob.digest, mountFrom, signal);
  if (session === 'mounted') return session;
  if (layerUploads) return startLayer(transfer, layerUploads);
  const partBytes = chunkBytes(destination, session);
  if (partBytes !== undefined && pathOf(transfer, session.location) !== undefined)
    return sessionSink(transfer, session.location, partBytes);
  await cancelUpload(destination, session.location);
  return 'refused';
}

/**
 * Resumes an upload of an earlier call. Returns `undefined` when the destination has fewer bytes than it acknowledged.
 */
export async function resumeSink(transfer: PartTransfer, open: OpenUpload): Promise<PartSink | undefined> {
  const { destination, blob, layerUploads, signal } = transfer;
  const { at: id, partBytes, offset } = open;
  if (open.kind === 'layer') return layerUploads && layerSink(transfer, layerUploads, { id, partBytes }, offset);
  const { registry, name } = destination;
  if (layerUploads || !registry.profile.rangeTrusted) return undefined;
  try {
    const location = registry.resolve(open.at, `${name}/blobs/uploads/`);
    if (pathOf(transfer, location) === undefined) return undefined;
    const progress = await uploadProgress(destination, location, signal);
    if (!progress || progress.received < open.offset || progress.received > blob.size) return undefined;
    return sessionSink(transfer, progress.location, open.partBytes, progress.received);
  } catch (error) {
    // The registry no longer has the session, or the stored path is invalid.
    if (error instanceof RegistryFailure && !error.transient) return undefined;
    throw error;
  }
}

/** Returns the path to store for a session; `undefined` at another origin, whose URL may contain a signature. */
function pathOf({ destination: { registry } }: PartTransfer, location: URL): string | undefined {
  const path = location.pathname + location.search;
  return location.origin === registry.resolve('/', '').origin && path.length <= longestAt ? path : undefined;
}

/** Sends parts as the chunks of an upload session (distribution-spec, "Pushing a blob in chunks"). */
function sessionSink(transfer: PartTransfer, from: URL, partBytes: number, received = 0): PartSink {
  const { destination, blob, signal } = transfer;
  const upload = { repository: destination, blob, signal };
  let location = from;
  const attempt = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      if (isLost(error)) throw new UploadLost(error);
      const refusal = UploadRefusal.of('chunk', error);
      // A resumed session may be in another state than recorded. Only a refusal of a new session shows what the
      // registry refuses.
      if (refusal && received > 0) throw new UploadLost(refusal.failure);
      throw refusal ?? error;
    }
  };
  return {
    kind: 'session',
    partBytes,
    received,
    get at() {
      return pathOf(transfer, location) ?? '';
    },
    async send(bytes, offset) {
      await attempt(async () => void (location = await sendChunk(upload, location, bytes, offset)));
      return offset + bytes.length;
    },
    complete: () => attempt(() => complete(upload, location)),
    cancel: () => cancelUpload(destination, location),
  };
}

async function startLayer(transfer: PartTransfer, uploads: LayerUploads): Promise<PartSink | 'refused'> {
  const started = await uploads.start(transfer.destination.name, transfer.signal);
  return started ? layerSink(transfer, uploads, started) : 'refused';
}

function isLost(error: unknown): error is RegistryFailure {
  if (!(error instanceof RegistryFailure)) return false;
  return error.status === 404 || error.code === 'BLOB_UPLOAD_UNKNOWN' || error.code === 'DIGEST_INVALID';
}

/** Sends parts by the registry's own API, which cannot cancel an upload. */
function layerSink(
  { destination: { name: repository }, blob, signal }: PartTransfer,
  uploads: LayerUploads,
  { id, partBytes }: LayerUpload,
  received = 0,
): PartSink {
  return {
    kind: 'layer',
    at: id,
    partBytes,
    received,
    send: (bytes, offset) => uploads.send({ repository, id, bytes, offset }, signal),
    complete: () => uploads.complete({ repository, id }, blob.digest, signal),
    cancel: async () => undefined,
  };
}
