import { assertDigest, assertPushable } from './checks.ts';
import type { Context } from './context.ts';
import { RegistryError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import type { Upload } from './uploads.ts';

/** `POST /v2/<name>/blobs/uploads/` (end-4a, end-4b, end-11) */
export async function beginUpload(context: Context, exchange: Exchange, name: string): Promise<void> {
  const { quirks, uploads } = context;
  assertPushable(name, context);
  const query = exchange.url.searchParams;
  const mount = query.get('mount');
  if (mount !== null && mounts(context, name, mount, query.get('from'))) {
    return await exchange.reply(201, created(context, exchange, name, mount));
  }
  const digest = query.get('digest');
  if (digest !== null && !quirks.noSinglePost) assertDigest(digest, quirks);
  const upload = uploads.begin(name);
  if (digest !== null && !quirks.noSinglePost) {
    await upload.append(exchange.body());
    return await finish(context, exchange, upload, digest);
  }
  const { minChunkBytes, maxChunkBytes } = quirks;
  await exchange.reply(202, {
    ...progress(context, exchange, upload),
    ...(minChunkBytes !== undefined && { 'oci-chunk-min-length': String(minChunkBytes) }),
    ...(maxChunkBytes !== undefined && quirks.announceMaxChunk && { 'oci-chunk-max-length': String(maxChunkBytes) }),
  });
}

/** `/v2/<name>/blobs/uploads/<id>` (end-5, end-6, end-13; DELETE cancels) */
export async function continueUpload(context: Context, exchange: Exchange, name: string, id: string): Promise<void> {
  const { quirks, uploads } = context;
  const upload = uploads.find(name, id);
  const stale = quirks.locationSingleUse && exchange.url.searchParams.get('_state') !== String(upload?.generation);
  const hidden = exchange.method === 'GET' && quirks.uploadStatusNotFound;
  if (!upload || stale || hidden) {
    throw new RegistryError(404, 'BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');
  }
  switch (exchange.method) {
    case 'GET':
      return await exchange.reply(204, {
        ...progress(context, exchange, upload),
        ...(quirks.exclusiveRange && { range: `bytes=0-${upload.size}` }),
      });
    case 'DELETE':
      uploads.end(upload);
      return await exchange.reply(204);
    case 'PATCH':
      return await patch(context, exchange, upload);
    default:
      return await put(context, exchange, upload);
  }
}

async function patch(context: Context, exchange: Exchange, upload: Upload): Promise<void> {
  const { quirks } = context;
  const chunked = exchange.header('content-range') !== undefined;
  if (quirks.noChunked && (chunked || upload.patches.length > 0)) {
    throw new RegistryError(400, 'UNSUPPORTED', 'chunked uploads are not supported');
  }
  const end = checkChunk(context, exchange, upload);
  // Only the last chunk may be short: one that is followed by another was not the last.
  const shortest = Math.min(...upload.patches);
  if (quirks.minChunkBytes !== undefined && shortest < quirks.minChunkBytes) {
    throw new RegistryError(416, 'SIZE_INVALID', `a chunk of ${shortest} bytes is smaller than OCI-Chunk-Min-Length`);
  }
  upload.patches.push(await upload.append(exchange.body()));
  checkEnd(end, upload);
  await exchange.reply(quirks.patchStatus ?? 202, progress(context, exchange, upload));
}

async function put(context: Context, exchange: Exchange, upload: Upload): Promise<void> {
  const { quirks } = context;
  const digest = exchange.url.searchParams.get('digest') ?? '';
  assertDigest(digest, quirks);
  const declared = exchange.contentLength;
  if (quirks.postPutNotFound && upload.patches.length === 0 && declared !== 0) {
    throw new RegistryError(404, 'BLOB_UNKNOWN', 'blob unknown to registry');
  }
  const tooLarge = (bytes: number): boolean => bytes > (quirks.maxPutBytes ?? Infinity);
  const refusal = new RegistryError(413, 'SIZE_INVALID', 'the request entity is too large');
  if (tooLarge(declared ?? 0)) throw refusal;
  const end = checkChunk(context, exchange, upload);
  if (tooLarge(await upload.append(exchange.body()))) throw refusal;
  checkEnd(end, upload);
  await finish(context, exchange, upload, digest);
}

/** Checks the request's `Content-Range` against what has arrived; returns where the upload must end after it. */
function checkChunk(context: Context, exchange: Exchange, upload: Upload): number | undefined {
  const { quirks } = context;
  const header = exchange.header('content-range');
  if (header === undefined || quirks.ignoreContentRange) return undefined;
  // The spec wants exactly this form, not HTTP's `bytes 0-9/*`.
  const [, first, last] = /^([0-9]+)-([0-9]+)$/.exec(header) ?? [];
  if (first === undefined || last === undefined) {
    throw new RegistryError(400, 'BLOB_UPLOAD_INVALID', 'Content-Range must be <first>-<last>');
  }
  const size = Number(last) - Number(first) + 1;
  const declared = exchange.contentLength;
  if (quirks.requireChunkLength && declared === undefined) {
    throw new RegistryError(400, 'CONTENT_LENGTH_INVALID', 'a chunk needs Content-Length');
  }
  const tooLarge = exchange.method === 'PATCH' && size > (quirks.maxChunkBytes ?? Infinity);
  if (Number(first) !== upload.size || tooLarge) {
    const headers = progress(context, exchange, upload);
    throw new RegistryError(416, 'BLOB_UPLOAD_INVALID', 'requested range not satisfiable', { headers });
  }
  if (declared !== undefined && declared !== size) throw sizeInvalid();
  return Number(last) + 1;
}

function checkEnd(end: number | undefined, upload: Upload): void {
  if (end !== undefined && upload.size !== end) throw sizeInvalid();
}

function sizeInvalid(): RegistryError {
  return new RegistryError(400, 'SIZE_INVALID', 'provided length did not match content length');
}

async function finish(context: Context, exchange: Exchange, upload: Upload, digest: string): Promise<void> {
  context.uploads.end(upload);
  if (!upload.matches(digest)) {
    throw new RegistryError(400, 'DIGEST_INVALID', 'provided digest did not match uploaded content');
  }
  context.storage.putBlob(upload.name, upload.chunks, digest);
  await exchange.reply(201, created(context, exchange, upload.name, digest));
}

/** Mounts the blob when that is possible. Throws 400 or 401 where registries refuse instead of falling back. */
function mounts(context: Context, name: string, digest: string, from: string | null): boolean {
  const { quirks, storage } = context;
  assertDigest(digest, quirks);
  if (from === null && quirks.mountRequiresFrom) {
    throw new RegistryError(400, 'BLOB_UPLOAD_INVALID', 'mount needs from');
  }
  if (from !== null && quirks.mount === 'unauthorizedFrom' && from.split('/')[0] !== name.split('/')[0]) {
    throw new RegistryError(401, 'UNAUTHORIZED', `project of ${from} not found`);
  }
  const source = from ?? (quirks.anonymousMount ? storage.repositoryOfBlob(digest) : undefined);
  if (source === undefined || quirks.mount === 'no' || !storage.blob(source, digest)) return false;
  if (quirks.mount === 'afterManifest' && !storage.isReferenced(source, digest)) return false;
  storage.linkBlob(name, digest);
  return true;
}

/** Headers of an answer that leaves the upload open. */
function progress(context: Context, exchange: Exchange, upload: Upload): Record<string, string> {
  upload.generation++;
  const known = context.quirks.frozenRange ? (upload.patches[0] ?? 0) : upload.size;
  const path = `/v2/${upload.name}/blobs/uploads/${upload.id}?_state=${upload.generation}`;
  return {
    location: location(context, exchange, path),
    // An empty upload says 0-0 too: the form has no way to say nothing (distribution-spec#359).
    range: `0-${Math.max(0, known - 1)}`,
    'docker-upload-uuid': upload.id,
  };
}

function created(context: Context, exchange: Exchange, name: string, digest: string): Record<string, string> {
  return {
    location: location(context, exchange, `/v2/${name}/blobs/${digest}`),
    ...(!context.quirks.noContentDigest && { 'docker-content-digest': digest }),
  };
}

function location({ quirks }: Context, exchange: Exchange, path: string): string {
  if (!quirks.absoluteLocation) return path;
  return `${quirks.locationScheme ?? 'http'}://${exchange.url.host}${path}`;
}
