import { replyBlob } from './byte-range.ts';
import { assertDigest } from './checks.ts';
import type { Context } from './context.ts';
import { RegistryError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import type { Blob } from './storage.ts';

/** `/v2/<name>/blobs/<digest>` (distribution-spec end-2, end-10) */
export async function serveBlob(context: Context, exchange: Exchange, name: string, digest: string): Promise<void> {
  const { quirks, storage } = context;
  assertDigest(digest, quirks);
  if (exchange.method === 'DELETE') {
    if (quirks.noDelete) throw new RegistryError(405, 'UNSUPPORTED', 'deletion is disabled');
    if (!storage.deleteBlob(name, digest)) throw blobUnknown(context, digest);
    return await exchange.reply(202);
  }
  if (exchange.method === 'HEAD' && quirks.blobHeadUnauthorized) {
    throw new RegistryError(401, 'UNAUTHORIZED', 'authentication required');
  }
  const blob = findBlob(context, name, digest);
  if (!blob) throw blobUnknown(context, digest);
  if (exchange.method === 'GET' && quirks.redirectBlobs) {
    return await exchange.reply(307, { location: await context.blobHost.sign(blob) });
  }
  const headers: Record<string, string> = quirks.noContentDigest ? {} : { 'docker-content-digest': digest };
  await replyBlob(exchange, blob, { ranges: !quirks.noRange, headers });
}

export function findBlob({ storage, quirks }: Context, name: string, digest: string): Blob | undefined {
  const own = storage.blob(name, digest);
  if (own || !quirks.sharedBlobs) return own;
  const owner = storage.repositories().find((other) => storage.isReferenced(other, digest));
  return owner === undefined ? undefined : storage.blob(owner, digest);
}

function blobUnknown({ quirks }: Context, digest: string): RegistryError {
  if (quirks.forbiddenForMissing) return new RegistryError(403, 'DENIED', 'The requested resource is forbidden');
  return new RegistryError(404, 'BLOB_UNKNOWN', 'blob unknown to registry', { detail: digest });
}
