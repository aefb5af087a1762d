import { release } from '../../http/release.ts';
import type { Descriptor } from '../spec/manifest.ts';
import type { RepositoryClient } from './repository-client.ts';
import { type UploadWay, uploadWay } from './profile.ts';
import { RegistryFailure } from './registry-failure.ts';
import type { RegistryRequest } from './registry-request.ts';
import { nextLocation, uploadProgress, type UploadSession } from './upload-session.ts';

/**
 * Bytes that a registry must accept per minute. The response timeout of a chunk includes the time of sending it, and so
 * detects a registry that stops reading.
 */
const slowChunk = 8 * 1024 * 1024;

/** Timeout in milliseconds: registries hash or assemble a blob before they respond to its last request. */
const commitTimeoutMs = 300_000;

/**
 * Maximum size of a chunk, which is held in memory. A registry that requires larger ones gets the blob in one request.
 */
const largestChunk = 64 * 1024 * 1024;
/** Smallest limit that is respected. A lower one would take an endless number of requests. */
const smallestLimit = 64 * 1024;

export interface Upload {
  repository: RepositoryClient;
  session: UploadSession;
  blob: Descriptor;
  way: UploadWay;
  /** Must yield exactly the descriptor's bytes. */
  body: AsyncIterable<Uint8Array>;
  signal?: AbortSignal | undefined;
}

/** Chooses the method for a blob: by the limits of the session, or else by the profile. */
export function wayInto({ registry }: RepositoryClient, session: UploadSession, { size }: Descriptor): UploadWay {
  const way = size > chunkLimits(session).max ? 'chunk' : uploadWay(registry.profile, size);
  return way === 'chunk' && chunkBytes({ registry }, session) === undefined ? 'patch' : way;
}

function chunkLimits({ minChunkBytes, maxChunkBytes }: UploadSession): { min: number; max: number } {
  const limited = maxChunkBytes !== undefined && maxChunkBytes >= smallestLimit;
  return { min: minChunkBytes ?? 0, max: limited ? maxChunkBytes : Infinity };
}

/** Sends a whole blob into a session and completes it. Throws `RegistryFailure`. */
export async function sendBlob(upload: Upload): Promise<void> {
  const { session, way, blob, body } = upload;
  if (way === 'put') return complete(upload, session.location, body);
  if (way === 'chunk') return complete(upload, await chunks(upload));
  const headers = { ...octets, 'content-length': String(blob.size) };
  const content = { headers, body, headersTimeoutMs: commitTimeoutMs };
  return complete(upload, await patch(upload, session.location, content));
}

const octets = { 'content-type': 'application/octet-stream' };

/** Parameters that all requests of an upload share. */
type PartOf = Pick<Upload, 'repository' | 'blob' | 'signal'>;

function part({ blob, signal }: PartOf) {
  return { access: 'push', doing: `push blob ${blob.digest} to`, writes: true, signal } as const;
}

/** Ends an upload, with its only bytes or when all have been sent. Throws `RegistryFailure`. */
export async function complete(upload: PartOf, location: URL, body?: AsyncIterable<Uint8Array>): Promise<void> {
  const { repository, blob } = upload;
  const target = new URL(location);
  // Appended to the text as it is: the rest of the query is the registry's own state, perhaps signed.
  target.search += `${target.search === '' ? '?' : '&'}digest=${encodeURIComponent(blob.digest)}`;
  const response = await repository.request({
    ...part(upload),
    method: 'PUT',
    target,
    expect: [200, 201, 204],
    headersTimeoutMs: commitTimeoutMs,
    ...(body ? { headers: { ...octets, 'content-length': String(blob.size) }, body } : { headers: noBody }),
  });
  await response.body.dump();
}

const noBody = { 'content-length': '0' };

/** Statuses of a PATCH: 202 as specified, 201 from ECR, 204 from Google. */
const patched = [200, 201, 202, 204];

async function patch(
  upload: PartOf,
  target: URL,
  content: Pick<RegistryRequest, 'headers' | 'body' | 'headersTimeoutMs'>,
): Promise<URL> {
  const { repository } = upload;
  const response = await repository.request({ ...part(upload), method: 'PATCH', target, expect: patched, ...content });
  await response.body.dump();
  return nextLocation(repository, response, target);
}

/** Returns the size of a chunk in bytes; `undefined` where a registry requires more than is held in memory. */
export function chunkBytes(
  { registry }: Pick<RepositoryClient, 'registry'>,
  session: UploadSession,
): number | undefined {
  const { min, max } = chunkLimits(session);
  return min > largestChunk ? undefined : Math.min(max, largestChunk, Math.max(min, registry.profile.chunkBytes));
}

async function chunks(upload: Upload): Promise<URL> {
  const { repository, session, body } = upload;
  let { location } = session;
  let offset = 0;
  const buffer = Buffer.allocUnsafeSlow(chunkBytes(repository, session) ?? largestChunk);
  for await (const chunk of inChunks(body, [buffer])) {
    location = await sendChunk(upload, location, chunk, offset);
    offset += chunk.length;
  }
  release(buffer);
  return location;
}

/** Sends one chunk. After a broken connection, sends the bytes that the registry lacks. */
export async function sendChunk(upload: PartOf, location: URL, chunk: Buffer, offset: number): Promise<URL> {
  const { repository, signal } = upload;
  const end = offset + chunk.length;
  let start = offset;
  let target = location;
  while (start < end) {
    try {
      return await patch(upload, target, {
        headers: { ...octets, 'content-range': `${start}-${end - 1}` },
        body: chunk.subarray(start - offset),
        ...(chunk.length > slowChunk && { headersTimeoutMs: Math.ceil(chunk.length / slowChunk) * 60_000 }),
      });
    } catch (error) {
      // 416: the registry has received another number of bytes (distribution-spec, end-13).
      const astray = error instanceof RegistryFailure && error.status === 416;
      if (!astray || !repository.registry.profile.rangeTrusted) throw error;
      // Without the progress, throw the refusal: the blob is then sent by another method.
      const progress = await uploadProgress(repository, target, signal).catch(() => undefined);
      if (!progress || progress.received <= start || progress.received > end) throw error;
      start = progress.received;
      target = progress.location;
    }
  }
  return target;
}

/**
 * Splits a body into chunks; only the last may be shorter. Memory stays flat: the pieces of the body are released, and
 * chunks use `buffers` in turn. So a chunk is valid until as many others were requested as there are buffers.
 * `onPiece` receives the pieces of a chunk before the chunk is yielded.
 */
export async function* inChunks(
  body: AsyncIterable<Uint8Array>,
  buffers: readonly [Buffer, ...Buffer[]],
  onPiece?: (piece: Uint8Array) => void,
): AsyncGenerator<Buffer, void, undefined> {
  let chunk = buffers[0];
  let turn = 0;
  let length = 0;
  for await (const piece of body) {
    for (let at = 0; at < piece.length;) {
      const room = chunk.length - length;
      const fits = at === 0 && piece.length <= room ? piece : piece.subarray(at, at + room);
      onPiece?.(fits);
      chunk.set(fits, length);
      length += fits.length;
      at += fits.length;
      if (length < chunk.length) continue;
      yield chunk;
      chunk = buffers[++turn % buffers.length] ?? chunk;
      length = 0;
    }
    release(piece);
  }
  if (length > 0) yield chunk.subarray(0, length);
}
