import { createCipheriv, createHash, type Hash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { stat, truncate, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { tar } from '../../infra/local/embedded/tar.ts';

export interface Layer {
  digest: string;
  /** Bytes, compressed. */
  size: number;
  /** Digest of the archive inside. */
  diffId: string;
}

const fileBytes = 8 * 1024 * 1024;
/** Two empty blocks end an archive. */
const endOfArchive = Buffer.alloc(1024);

/**
 * Writes a layer to `path`: gzip of an archive of `bytes` random bytes, the same for the same seed. Made piece by
 * piece, because the largest is larger than memory should be.
 */
export async function writeLayer(path: string, seed: string, bytes: number, signal?: AbortSignal): Promise<Layer> {
  const archive = createHash('sha256');
  const blob = createHash('sha256');
  await pipeline(
    Readable.from(archiveOf(seed, bytes)),
    (chunks: AsyncIterable<Buffer>) => through(archive, chunks),
    // Random bytes do not shrink: stored blocks are as good, and fast.
    createGzip({ level: 0, chunkSize: 1024 * 1024 }),
    (chunks: AsyncIterable<Buffer>) => through(blob, chunks),
    createWriteStream(path),
    { signal },
  );
  const { size } = await stat(path);
  return { digest: digestBy(blob), size, diffId: digestBy(archive) };
}

/** Writes a file of `bytes` zeros, all of it a hole. It is no archive, which no registry and no copy notices. */
export async function writeZeros(path: string, bytes: number): Promise<Layer> {
  await writeFile(path, '');
  await truncate(path, bytes);
  const hash = createHash('sha256');
  const zeros = Buffer.alloc(fileBytes);
  for (let from = 0; from < bytes; from += fileBytes) hash.update(zeros.subarray(0, bytes - from));
  const digest = digestBy(hash);
  return { digest, size: bytes, diffId: digest };
}

function* archiveOf(seed: string, bytes: number): Generator<Buffer> {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16);
  const random = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  for (let from = 0; from < bytes; from += fileBytes) {
    const content = random.update(Buffer.alloc(Math.min(fileBytes, bytes - from)));
    yield tar([{ path: `data/${from / fileBytes}`, content }]).subarray(0, -endOfArchive.length);
  }
  yield endOfArchive;
}

async function* through(hash: Hash, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
}

function digestBy(hash: Hash): string {
  return `sha256:${hash.digest('hex')}`;
}
