import type { Response } from '../../http/transport.ts';
import type { Digest } from '../spec/digest.ts';
import type { Descriptor } from '../spec/manifest.ts';
import type { RepositoryClient } from './repository-client.ts';
import { isAbsence } from './registry-failure.ts';

type Described = Pick<Descriptor, 'digest' | 'size'>;

/**
 * Returns whether the repository holds the blob, in its full size. `false` also where HEAD fails: the
 * registry refuses it (400, 405, 501), or returns 403, as Artifactory does for a missing blob (RTFACT-13797). A user
 * without the right to push learns so from the upload.
 */
export async function hasBlob(repository: RepositoryClient, blob: Described, signal?: AbortSignal): Promise<boolean> {
  const found = await lookUp(repository, blob, signal);
  return found === 'whole' || (found === 'of another size' && opensBlob(repository, blob, signal));
}

/** Returns whether the repository serves the blob: by HEAD or, where that fails, by the start of a download. */
export async function servesBlob(
  repository: RepositoryClient,
  blob: Described,
  signal?: AbortSignal,
): Promise<boolean> {
  return (await lookUp(repository, blob, signal)) === 'whole' || opensBlob(repository, blob, signal);
}

/** Returns whether a download of the blob begins, in full size: some refuse HEAD or return a wrong length. */
export async function opensBlob(repository: RepositoryClient, blob: Described, signal?: AbortSignal): Promise<boolean> {
  try {
    const response = await openBlob(repository, blob.digest, 0, signal);
    await response.body.dump();
    return hasSize(response, blob);
  } catch (error) {
    if (isAbsence(error)) return false;
    throw error;
  }
}

async function lookUp(
  repository: RepositoryClient,
  blob: Described,
  signal?: AbortSignal,
): Promise<'whole' | 'of another size' | 'not found'> {
  const { registry } = repository;
  if (!registry.profile.headBlob) return 'not found';
  const response = await repository.request({
    method: 'HEAD',
    target: `blobs/${blob.digest}`,
    access: 'push',
    expect: [200, 400, 403, 404, 405, 501],
    doing: `look up blob ${blob.digest} of`,
    writes: false,
    signal,
  });
  await response.body.dump();
  if (response.status === 405 || response.status === 501)
    registry.adapt({ headBlob: false }, `${registry.name} refuses HEAD of blobs: they are not looked up`);
  if (response.status !== 200) return 'not found';
  return hasSize(response, blob) ? 'whole' : 'of another size';
}

/** Detects a truncated blob. True for a response without a length, or with an encoding. */
function hasSize(response: Response, { size }: Described): boolean {
  const length = response.header('content-length');
  return length === undefined || response.header('content-encoding') !== undefined || Number(length) === size;
}

/**
 * Opens a blob for reading, from byte `offset` on. Returns 206, or 200 with the whole blob where the registry ignores
 * ranges, or 416 when there is nothing after `offset`. The caller verifies the bytes.
 */
export async function openBlob(
  repository: RepositoryClient,
  digest: Digest,
  offset: number,
  signal?: AbortSignal,
): Promise<Response> {
  return repository.request({
    method: 'GET',
    target: `blobs/${digest}`,
    access: 'pull',
    expect: offset === 0 ? [200] : [200, 206, 416],
    headers: {
      // Layers are compressed already.
      'accept-encoding': 'identity',
      ...(offset > 0 && { range: `bytes=${offset}-` }),
    },
    doing: `pull blob ${digest} of`,
    writes: false,
    signal,
  });
}
