import { FactoryError } from '../../errors.ts';
import type { Response } from '../../http/transport.ts';
import type { Digest } from '../spec/digest.ts';
import type { RepositoryClient, RepositoryRequest } from './repository-client.ts';
import { RegistryFailure } from './registry-failure.ts';

export interface UploadSession {
  /** URL of the next request of the upload. */
  location: URL;
  /** Bytes that a chunk must have unless it is the last (distribution-spec, "Pushing a blob in chunks"). */
  minChunkBytes: number | undefined;
  /** Bytes that a body may have (https://github.com/opencontainers/distribution-spec/issues/485). */
  maxChunkBytes: number | undefined;
}

/**
 * Opens an upload session. With `mountFrom`, a repository of the same registry that may hold the blob, requests a
 * mount, and returns `mounted` if it succeeds. A registry that has nothing to mount opens a session in the same
 * request.
 */
export async function startUpload(
  repository: RepositoryClient,
  digest: Digest,
  mountFrom: string | undefined,
  signal?: AbortSignal,
): Promise<UploadSession | 'mounted'> {
  try {
    return await requestUpload(repository, digest, mountFrom, signal);
  } catch (error) {
    // Harbor and GitLab refuse a mount from a project they do not let us see, instead of falling back
    // (https://github.com/google/go-containerregistry/issues/1404).
    const refused = error instanceof FactoryError && !(error instanceof RegistryFailure && error.transient);
    if (mountFrom === undefined || !refused) throw error;
    return requestUpload(repository, digest, undefined, signal);
  }
}

async function requestUpload(
  repository: RepositoryClient,
  digest: Digest,
  mountFrom: string | undefined,
  signal?: AbortSignal,
): Promise<UploadSession | 'mounted'> {
  const query =
    mountFrom === undefined ? '' : `?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(mountFrom)}`;
  const target = `blobs/uploads/${query}`;
  const response = await repository.request({
    method: 'POST',
    target,
    access: 'push',
    mountFrom,
    expect: [201, 202],
    headers: { 'content-length': '0' },
    doing: 'start an upload to',
    writes: true,
    signal,
  });
  await response.body.dump();
  if (response.status === 201) {
    if (mountFrom !== repository.name) repository.registry.limits.mounted();
    return 'mounted';
  }
  return {
    location: nextLocation(repository, response, target),
    minChunkBytes: bytesOf(response, 'oci-chunk-min-length'),
    maxChunkBytes: bytesOf(response, 'oci-chunk-max-length'),
  };
}

/** Returns the next URL of the session. Registries may change it in each response, and omit it when it is unchanged. */
export function nextLocation(repository: RepositoryClient, response: Response, target: string | URL): URL {
  const location = response.header('location');
  if (location !== undefined) return repository.resolve(location, target);
  if (target instanceof URL) return target;
  throw new RegistryFailure(
    'RegistryFailed',
    `${repository.registry.name} opened an upload to ${repository.name} without a Location`,
    {
      hint: 'Check the reverse proxy in front of the registry: the distribution specification demands a Location.',
      status: response.status,
      transient: false,
    },
  );
}

function bytesOf(response: Response, header: string): number | undefined {
  const value = response.header(header)?.trim() ?? '';
  return /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}

/** Maximum size of the description of an upload, in bytes. Its headers say everything. */
const progressLimit = 64 * 1024;

/**
 * Returns the bytes that the registry has received, and the next URL; `undefined` when the registry does not report
 * them. An upload of no bytes and one of a single byte look the same
 * (https://github.com/opencontainers/distribution-spec/issues/359).
 */
export async function uploadProgress(
  repository: RepositoryClient,
  location: URL,
  signal?: AbortSignal,
): Promise<{ received: number; location: URL } | undefined> {
  const request: RepositoryRequest = {
    method: 'GET',
    target: location,
    access: 'push',
    expect: [200, 202, 204, 404],
    doing: 'look up an upload to',
    writes: false,
    signal,
  };
  // Not a download: an upload that waits for this response may hold the last slot of those.
  const { response } = await repository.read(request, {
    bytes: progressLimit,
    exceeded: (cause) =>
      new RegistryFailure('RegistryFailed', `${repository.registry.name} describes an upload in too many bytes`, {
        hint: 'Check the registry and the proxies in front of it.',
        status: 200,
        transient: false,
        cause,
      }),
  });
  const [, exclusive, end] = /^(bytes=)?0-(\d{1,15})$/.exec(response.header('range') ?? '') ?? [];
  if (response.status === 404 || end === undefined) return undefined;
  // Quay reports N bytes as `bytes=0-N` (endpoints/v2/blob.py, `fetch_existing_upload`), others as `0-(N-1)`.
  const received = exclusive === undefined ? Number(end) + 1 : Number(end);
  return { received, location: nextLocation(repository, response, location) };
}

const cancelTimeoutMs = 5_000;

/** Cancels a session, if the user may delete. Takes no signal: it is called after an abort. Never throws. */
export async function cancelUpload(repository: RepositoryClient, location: URL): Promise<void> {
  try {
    const response = await repository.request({
      method: 'DELETE',
      target: location,
      // distribution, registry/handlers/app.go: every DELETE needs the right to delete.
      access: 'delete',
      expect: [200, 202, 204, 404],
      doing: 'cancel an upload to',
      writes: true,
      signal: AbortSignal.timeout(cancelTimeoutMs),
    });
    await response.body.dump();
  } catch {
    // Registries remove abandoned sessions themselves.
  }
}
