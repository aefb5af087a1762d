import { RegistryError } from './errors.ts';
import { slice, type Exchange } from './exchange.ts';
import type { Blob } from './storage.ts';

/** First and last byte, both inclusive. */
export interface ByteRange {
  first: number;
  last: number;
}

/**
 * Parses a `Range` header with one range (RFC 9110, 14.1.2). Returns `undefined` for a header that a server must
 * ignore: none, several ranges, another unit, nonsense. Throws 416 for a range outside the blob.
 */
export function parseRange(header: string | undefined, size: number): ByteRange | undefined {
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (from === '' && to === '') return undefined;
  const first = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (from !== '' && to !== '' && Number(to) < first) return undefined;
  if (first >= size) {
    throw new RegistryError(416, 'RANGE_INVALID', 'the range lies outside of the blob', {
      headers: { 'content-range': `bytes */${size}` },
    });
  }
  return { first, last };
}

/** Answers GET or HEAD with the blob, or with the part of it that the request asks for. */
export async function replyBlob(
  exchange: Exchange,
  blob: Blob,
  options: { ranges: boolean; headers?: Record<string, string> },
): Promise<void> {
  const headers = { 'content-type': 'application/octet-stream', ...options.headers };
  if (!options.ranges) return await exchange.reply(200, headers, blob.chunks);
  const range = exchange.method === 'GET' ? parseRange(exchange.header('range'), blob.size) : undefined;
  if (!range) return await exchange.reply(200, { ...headers, 'accept-ranges': 'bytes' }, blob.chunks);
  const contentRange = `bytes ${range.first}-${range.last}/${blob.size}`;
  const chunks = slice(blob.chunks, range.first, range.last + 1);
  await exchange.reply(206, { ...headers, 'accept-ranges': 'bytes', 'content-range': contentRange }, chunks);
}
