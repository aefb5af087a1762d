import type { Response } from '../../http/transport.ts';
import { openBlob } from './blobs.ts';
import { wallClock } from './clock.ts';
import type { Descriptor } from '../spec/manifest.ts';
import type { RepositoryClient } from './repository-client.ts';
import { brokenConnection, RegistryFailure } from './registry-failure.ts';

/** Maximum number of resumes before the transfer of a blob starts again. */
const maxResumes = 8;
/** Bytes of one connection after which the next needs no pause. */
const goodPart = 1024 * 1024;

/**
 * Reads a blob from byte `start` to its end. When the connection breaks, stalls or ends early, resumes with a range
 * request (RFC 9110, 14.2), or, where the registry ignores ranges, skips the bytes that it has. Does not verify the
 * bytes: the caller hashes them.
 *
 * @throws {RegistryFailure} After the last resume.
 */
export async function* readBlob(
  repository: RepositoryClient,
  blob: Descriptor,
  { start = 0, signal }: { start?: number; signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { baseMs, maxMs } = repository.registry.retryPolicy;
  let offset = start;
  for (let resumes = 0; ; resumes++) {
    const startedAt = offset;
    const response = await openBlob(repository, blob.digest, offset, signal);
    try {
      for await (const chunk of bodyFrom(response, offset, blob)) {
        offset += chunk.length;
        yield chunk;
      }
      // A body that ends in order without a new byte is all there is. The caller verifies it.
      if (offset >= blob.size || offset === startedAt || resumes === maxResumes) return;
      throw brokeOff(repository, blob, offset);
    } catch (error) {
      signal?.throwIfAborted();
      const failure = error instanceof RegistryFailure ? error : brokeOff(repository, blob, offset, error);
      failure.registry ??= repository.registry.name;
      if (!failure.transient || resumes === maxResumes) throw failure;
      // Reconnect at once after much progress, and after a pause otherwise.
      const ceiling = offset - startedAt >= goodPart ? 0 : Math.min(maxMs, baseMs * 2 ** resumes);
      await wallClock.sleep(Math.random() * ceiling, signal);
      signal?.throwIfAborted();
    } finally {
      response.body.on('error', () => undefined).destroy();
    }
  }
}

/** Returns the bytes from `offset` on, for any of the responses. */
function bodyFrom(response: Response, offset: number, blob: Descriptor): AsyncIterable<Uint8Array> | [] {
  if (response.status === 416) return [];
  if (response.status === 206) {
    const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.header('content-range') ?? '') ?? [];
    if (Number(first) !== offset || (total !== '*' && Number(total) !== blob.size)) {
      throw new RegistryFailure(
        'RegistryFailed',
        `the registry returned a range other than bytes ${offset}- of blob ${blob.digest}`,
        {
          hint: 'Try again, or use another source registry: this one, or a cache in front of it, does not handle range requests.',
          status: response.status,
          transient: false,
        },
      );
    }
    return response.chunks();
  }
  return offset === 0 ? response.chunks() : after(offset, response.chunks());
}

async function* after(bytes: number, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let passOver = bytes;
  for await (const chunk of chunks) {
    if (passOver < chunk.length) yield chunk.subarray(passOver);
    passOver = Math.max(0, passOver - chunk.length);
  }
}

function brokeOff(
  { registry, name }: RepositoryClient,
  blob: Descriptor,
  offset: number,
  error?: unknown,
): RegistryFailure {
  return new RegistryFailure(
    'RegistryUnreachable',
    `${registry.name} stopped sending blob ${blob.digest} of ${name} at byte ${offset} of ${blob.size}`,
    {
      hint: 'Try again; look at proxies and firewalls in between.',
      status: 0,
      transient: true,
      cause: error === undefined ? undefined : brokenConnection(error)?.cause,
    },
  );
}
