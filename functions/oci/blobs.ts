import type { Response } from '../http/transport.ts';
import { repositoryScope } from './auth/authorizer.ts';
import type { Digest } from './digest.ts';
import type { Repository } from './manifests.ts';
import { isAbsence } from './registry-failure.ts';

/**
 * Whether the repository holds the blob. `false` also where a registry does not tell: it refuses HEAD (400, 405, 501), or
 * answers 403, which is what Artifactory says of a missing one (RTFACT-13797). What may not be pushed is learnt from the
 * upload that follows.
 */
export async function hasBlob(repository: Repository, digest: Digest, signal?: AbortSignal): Promise<boolean> {
  const { registry } = repository;
  if (!registry.profile.headBlob) return false;
  const response = await registry.request({
    method: 'HEAD',
    target: `${repository.name}/blobs/${digest}`,
    scopes: [repositoryScope(repository.name, 'pull,push')],
    expect: [200, 400, 403, 404, 405, 501],
    doing: `look up blob ${digest} of`,
    repository: repository.name,
    writes: false,
    signal,
  });
  await response.body.dump();
  if (response.status === 405 || response.status === 501)
    registry.adapt({ headBlob: false }, `${registry.name} refuses HEAD of blobs: they are not looked up`);
  return response.status === 200;
}

/** Returns whether the repository serves the blob: by HEAD or, where that does not tell, by the beginning of a download. */
export async function servesBlob(repository: Repository, digest: Digest, signal?: AbortSignal): Promise<boolean> {
  return (await hasBlob(repository, digest, signal)) || opensBlob(repository, digest, signal);
}

/** Returns whether a download of the blob begins. ECR Public refuses HEAD, and others may answer it with 403. */
export async function opensBlob(repository: Repository, digest: Digest, signal?: AbortSignal): Promise<boolean> {
  try {
    const { body } = await openBlob(repository, digest, 0, signal);
    await body.dump();
    return true;
  } catch (error) {
    if (isAbsence(error)) return false;
    throw error;
  }
}

/**
 * Opens a blob for reading, from byte `offset` on. Answers 206, or 200 with the whole blob where the registry ignores
 * ranges, or 416 when there is nothing behind `offset`. The caller checks what comes.
 */
export async function openBlob(
  repository: Repository,
  digest: Digest,
  offset: number,
  signal?: AbortSignal,
): Promise<Response> {
  return repository.registry.request({
    method: 'GET',
    target: `${repository.name}/blobs/${digest}`,
    scopes: [repositoryScope(repository.name, 'pull')],
    expect: offset === 0 ? [200] : [200, 206, 416],
    headers: {
      // Compressed transfer would only cost time: layers are compressed already.
      'accept-encoding': 'identity',
      ...(offset > 0 && { range: `bytes=${offset}-` }),
    },
    doing: `pull blob ${digest} of`,
    repository: repository.name,
    writes: false,
    signal,
  });
}
