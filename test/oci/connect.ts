import { Transport, type TransportOptions } from '../../functions/http/transport.ts';
import { anonymous } from '../../functions/oci/registry/auth/credentials.ts';
import { type CopiedImage, copyImage, type CopyOptions } from '../../functions/oci/copy/copy-image.ts';
import { loadImage } from '../../functions/oci/spec/image.ts';
import { getManifest } from '../../functions/oci/registry/manifests.ts';
import type { Repository } from '../../functions/oci/registry/repository.ts';
import { Registry, type RegistryOptions } from '../../functions/oci/registry/registry.ts';
import type { Registry as EmbeddedRegistry } from '../../infra/local/embedded/registry/server.ts';
import type { Image as StoredImage } from '../../infra/local/embedded/registry/storage.ts';
import { expect } from '@jest/globals';

const transports: Transport[] = [];

/** A client as the product makes it, which does not pause between attempts. Closed by `disconnect`. */
export function connect(
  host: string,
  options: Partial<RegistryOptions> = {},
  transportOptions: TransportOptions = {},
): Registry {
  const transport = new Transport(transportOptions);
  transports.push(transport);
  const retry = { attempts: 3, baseMs: 0, maxMs: 0 };
  return new Registry({ registry: host, transport, credentials: anonymous, retry, ...options });
}

export async function disconnect(): Promise<void> {
  await Promise.all(transports.splice(0).map((transport) => transport.destroy()));
}

/** Reads an image by tag and copies it, as the copy task does. */
export async function copy(
  source: Repository,
  tag: string,
  destination: Repository,
  more: Partial<Omit<CopyOptions, 'image'>> = {},
): Promise<CopiedImage> {
  const image = await loadImage(await getManifest(source, tag), (digest) => getManifest(source, digest));
  return copyImage(source, destination, { image, tag, ...more });
}

/** Expects every manifest and blob of the image, byte for byte. */
export function expectWhole(registry: EmbeddedRegistry, repository: string, image: StoredImage): void {
  const stored = registry.storage.manifest(repository, image.digest);
  expect(stored?.mediaType).toBe(image.mediaType);
  expect(stored?.bytes.equals(image.bytes)).toBe(true);
  for (const [digest, content] of image.blobs) {
    const { chunks } = registry.storage.blob(repository, digest) ?? {};
    expect(chunks && isMadeOf(content, chunks)).toBe(true);
  }
  for (const child of image.children) expectWhole(registry, repository, child);
}

/** Compares bytes with chunks, which are not joined: blobs of tests are large. */
function isMadeOf(content: Buffer, chunks: readonly Buffer[]): boolean {
  let at = 0;
  for (const chunk of chunks) {
    if (!content.subarray(at, at + chunk.length).equals(chunk)) return false;
    at += chunk.length;
  }
  return at === content.length;
}

/** Counts the requests of a method, and of a path, that a registry has received. */
export function count(registry: EmbeddedRegistry, method: string, path = /./): number {
  return registry.requests.filter((request) => request.method === method && path.test(request.path)).length;
}

/** Bytes that clients have sent. */
export function received(registry: EmbeddedRegistry, path = /\/blobs\//): number {
  return registry.requests.filter((r) => path.test(r.path)).reduce((sum, { bytesIn }) => sum + bytesIn, 0);
}

export async function errorOf(work: Promise<unknown>): Promise<Error & { [key: string]: unknown }> {
  return work.then(
    () => {
      throw new Error('it succeeded');
    },
    (error: unknown) => error as Error & { [key: string]: unknown },
  );
}

/** All that could be printed of an error. */
export function everything(error: unknown): string {
  const parts: string[] = [];
  for (let e = error; typeof e === 'object' && e !== null; e = (e as { cause?: unknown }).cause) {
    parts.push(JSON.stringify(e), String((e as Error).stack), String((e as { hint?: string }).hint));
  }
  return parts.join('\n');
}
