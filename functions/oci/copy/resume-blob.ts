import { FactoryError } from '../../errors.ts';
import { retry, type Verdict } from '../../http/retry.ts';
import { readBlob } from '../registry/blob-download.ts';
import type { CopyRecord } from './checkpoint.ts';
import { type Deadline, Paused } from './deadline.ts';
import { judgeFailure } from '../registry/registry.ts';
import { RegistryFailure } from '../registry/registry-failure.ts';
import { openSink, type PartSink, type PartTransfer, resumeSink, UploadLost } from './part-sink.ts';
import { inChunks } from '../registry/blob-upload.ts';
import { UploadRefusal } from '../registry/upload-refusal.ts';
import { mismatch } from './verified-stream.ts';

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
  const { record, blob } = upload;
  const open = record.open.get(blob.digest);
  let sink = open && (await resumeSink(upload, open));
  if (!sink) {
    forget(upload);
    const opened = await openSink(upload);
    if (opened === 'mounted') return opened;
    if (!opened) return 'refused';
    sink = opened;
  }
  try {
    await send(upload, sink);
    return 'uploaded';
  } catch (error) {
    if (error instanceof UploadLost || error instanceof UploadRefusal || isMismatch(error)) forget(upload);
    if (!record.open.has(blob.digest)) await sink.cancel();
    throw error;
  }
}

/** Subtracts the acknowledged bytes. */
export function forget({ record, blob, onBytes }: Pick<PartUpload, 'record' | 'blob' | 'onBytes'>): void {
  const bytes = record.forget(blob.digest);
  if (bytes > 0) onBytes?.(-bytes);
}

async function send(upload: PartUpload, sink: PartSink): Promise<void> {
  const { source, blob, record, save, deadline, onBytes, signal } = upload;
  const { kind, partBytes } = sink;
  const open = record.open.get(blob.digest);
  const hash = await hashFrom(upload, open?.hash);
  let offset = open?.offset ?? 0;
  let since = deadline.now();
  for await (const part of inChunks(readBlob(source, blob, signal, offset), partBytes)) {
    const end = offset + part.length;
    if (end > blob.size) throw mismatch(blob, `more than the ${blob.size} bytes announced`);
    if (end < blob.size && part.length < partBytes) throw mismatch(blob, `${end} of ${blob.size} bytes`);
    hash.update(part);
    if (end === blob.size) {
      const digest = hash.digest();
      if (digest !== blob.digest) throw mismatch(blob, `bytes of ${digest}`);
    }
    await sendPart(upload, sink, part, offset);
    if (end === blob.size) {
      await sink.complete();
      return onBytes?.(part.length);
    }
    offset = end;
    record.open.set(blob.digest, { kind, at: sink.at, partBytes, offset, hash: hash.save() });
    onBytes?.(part.length);
    await save?.();
    // An aborted part would have to be read again. Assume that the next part takes as long as the last.
    const now = deadline.now();
    if (now + (now - since) >= deadline.pauseAt) throw new Paused();
    since = now;
  }
  throw mismatch(blob, `${offset} of ${blob.size} bytes`);
}

/** Loads the hash on demand: only uploads in parts need it. */
async function hashFrom({ blob }: PartUpload, saved: string | undefined) {
  const { resumableHash } = await import('./resumable-hash.ts');
  try {
    return await resumableHash(blob.digest, saved);
  } catch {
    throw new UploadLost(mismatch(blob, 'bytes whose hash was lost'));
  }
}

/** Sends the bytes of a part that the destination lacks. */
async function sendPart(upload: PartUpload, sink: PartSink, part: Buffer, offset: number): Promise<void> {
  const { destination, blob } = upload;
  const end = offset + part.length;
  for (let start = Math.max(offset, sink.received); start < end;) {
    const received = await sink.send(part.subarray(start - offset), start);
    if (received <= start || received > end) {
      const text = `${destination.registry.name} has ${received} bytes of blob ${blob.digest} after it was sent ${start} to ${end}`;
      const hint = 'Something else writes to the same upload, or the registry lost a part of it. Try again.';
      throw new UploadLost(new RegistryFailure('RegistryFailed', text, { hint, status: 0, transient: false }));
    }
    start = received;
  }
}

function isMismatch(error: unknown): boolean {
  return error instanceof FactoryError && error.name === 'DigestMismatch';
}

function judge(error: unknown): Verdict {
  // A single loss or corruption is cured by starting over; the attempts are bounded.
  if (error instanceof UploadLost || isMismatch(error)) return { retry: true };
  return error instanceof RegistryFailure && error.exhausted ? { retry: false } : judgeFailure(error);
}
