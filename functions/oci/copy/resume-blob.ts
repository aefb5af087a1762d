import { delayed } from '../../async/delayed.ts';
import { readAhead } from '../../async/read-ahead.ts';
import { retry, type Verdict } from '../../http/retry.ts';
import type { Descriptor } from '../spec/manifest.ts';
import type { CopyRecord } from './checkpoint.ts';
import { type Deadline, Paused } from './deadline.ts';
import { judgeFailure } from '../registry/registry.ts';
import { RegistryFailure } from '../registry/registry-failure.ts';
import { PartBuffers } from './part-buffers.ts';
import { openSink, type PartSink, type PartTransfer, resumeSink, UploadLost } from './part-sink.ts';
import { inChunks } from '../registry/blob-upload.ts';
import { UploadRefusal } from '../registry/upload-refusal.ts';
import type { ResumableHash } from './resumable-hash.ts';
import { isMismatch, mismatch } from './verified-stream.ts';

/**
 * Time for the end of a part that is being sent when the copy is aborted, in milliseconds: distribution loses an upload
 * with a part that was cut off (registry/handlers/blobupload.go, `ResumeBlobUpload`).
 */
const graceMs = 5_000;

export interface PartUpload extends PartTransfer {
  /** Updated after each part. An interrupted upload resumes from what it recorded. */
  record: CopyRecord;
  /** Stores the record. Called after each part. */
  save?: (() => Promise<void>) | undefined;
  deadline: Deadline;
}

/**
 * Sends one blob in parts, from the recorded position. Withholds the last part until the size and digest of the whole
 * blob are verified. Returns `refused` when the destination does not accept parts; it then has nothing of the blob.
 *
 * Throws `Paused` when the next part would end after the deadline, and `RegistryFailure`, `DigestMismatch`.
 */
export async function uploadInParts(upload: PartUpload): Promise<'mounted' | 'uploaded' | 'refused'> {
  const { registry, name } = upload.destination;
  try {
    return await retry(
      // A registry may have stored a blob that it failed to confirm.
      (n) => attempt(n > 1 && registry.profile.mount === 'immediate' ? { ...upload, mountFrom: name } : upload),
      { ...registry.retryPolicy, signal: upload.signal, judge },
    );
  } catch (error) {
    if (error instanceof UploadLost) throw error.failure;
    if (!(error instanceof UploadRefusal)) throw error;
    registry.adapt(
      { rangeTrusted: false },
      `${registry.name} refused a blob in parts (HTTP ${error.failure.status}): interrupted blobs restart from the beginning`,
    );
    return 'refused';
  }
}

async function attempt(upload: PartUpload): Promise<'mounted' | 'uploaded' | 'refused'> {
  const {
    record,
    blob: { digest },
    onBytes,
    signal,
  } = upload;
  const open = record.open.get(digest);
  const patient = { ...upload, signal: signal && delayed(signal, graceMs) };
  const resumed = open && (await resumeSink(patient, open));
  if (!resumed) record.forget(digest, onBytes);
  const sink = resumed ?? (await openSink(patient));
  if (typeof sink === 'string') return sink;
  try {
    await send(upload, sink);
    return 'uploaded';
  } catch (error) {
    if (error instanceof UploadLost || error instanceof UploadRefusal || isMismatch(error))
      record.forget(digest, onBytes);
    if (!record.open.has(digest)) await sink.cancel();
    throw error;
  }
}

async function send(upload: PartUpload, sink: PartSink): Promise<void> {
  const { blob, record, save, deadline, onBytes, signal } = upload;
  const { kind, partBytes } = sink;
  let { offset, hash } = record.open.get(blob.digest) ?? { offset: 0, hash: undefined };
  const from = await hashFrom(blob, hash);
  // While one part is sent, the next is read. A local file is read fast enough without that, and needs one buffer.
  const isAhead = !upload.source.isLocal;
  using buffers = new PartBuffers(isAhead ? 2 : 1, partBytes);
  const read = (each: AbortSignal | undefined) => verifiedParts({ ...upload, signal: each }, buffers.all, offset, from);
  const parts = isAhead ? readAhead(read, signal) : read(signal);
  let since = deadline.now();
  for await (const part of parts) {
    const { length } = part.bytes;
    await sendPart(upload, sink, part.bytes, offset);
    offset += length;
    if (offset === blob.size) {
      await sink.complete();
      buffers.sent();
      return onBytes?.(length);
    }
    record.open.set(blob.digest, { kind, at: sink.at, partBytes, offset, hash: part.hash });
    onBytes?.(length);
    await save?.();
    // An aborted part would have to be read again. Assume that the next part takes as long as the last.
    const now = deadline.now();
    if (now + (now - since) >= deadline.pauseAt) throw new Paused();
    since = now;
  }
}

interface Part {
  bytes: Buffer;
  /** State of the hash after these bytes: see `ResumableHash`. */
  hash: string;
}

/** Reads the parts of a blob from byte `start` on. Yields the last one when the blob's size and digest are verified. */
async function* verifiedParts(
  { source, blob, signal }: PartUpload,
  buffers: readonly [Buffer, ...Buffer[]],
  start: number,
  hash: ResumableHash,
): AsyncGenerator<Part, void, undefined> {
  let end = start;
  const wrong = source.mismatch ?? mismatch;
  const body = source.blob(blob, { start, signal });
  for await (const bytes of inChunks(body, buffers, (piece) => hash.update(piece))) {
    end += bytes.length;
    if (end > blob.size) throw wrong(blob, `more than the ${blob.size} bytes announced`);
    if (end === blob.size) {
      const digest = hash.digest();
      if (digest !== blob.digest) throw wrong(blob, `bytes of ${digest}`);
      return yield { bytes, hash: '' };
    }
    if (bytes.length < buffers[0].length) break;
    yield { bytes, hash: hash.save() };
  }
  throw wrong(blob, `${end} of ${blob.size} bytes`);
}

/** Loads the hash on demand: only uploads in parts need it. */
async function hashFrom(blob: Descriptor, saved: string | undefined): Promise<ResumableHash> {
  const { resumableHash } = await import('./resumable-hash.ts');
  try {
    return await resumableHash(blob.digest, saved);
  } catch {
    throw new UploadLost(mismatch(blob, 'bytes whose hash was lost'));
  }
}

/** Sends the bytes of a part that the destination lacks, from memory: a part must not wait for the source. */
async function sendPart(upload: PartUpload, sink: PartSink, part: Buffer, offset: number): Promise<void> {
  const { destination, blob } = upload;
  const end = offset + part.length;
  for (let start = Math.max(offset, sink.received); start < end;) {
    const received = await sink.send(part.subarray(start - offset), start);
    if (received <= start || received > end) {
      const text = `${destination.registry.name} has ${received} bytes of blob ${blob.digest} after it was sent ${start} to ${end}`;
      const hint = 'Try again: something else writes to the same upload, or the registry lost a part of it.';
      throw new UploadLost(new RegistryFailure('RegistryFailed', text, { hint, status: 0, transient: false }));
    }
    start = received;
  }
}

function judge(error: unknown): Verdict {
  // A single loss or corruption is cured by starting over; the attempts are bounded.
  return error instanceof UploadLost || isMismatch(error) ? { retry: true } : judgeFailure(error);
}
