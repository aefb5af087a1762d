import { FactoryError } from '../errors.ts';
import type { Response } from '../http/transport.ts';
import { repositoryScope } from './auth/authorizer.ts';
import type { Digest } from './digest.ts';
import type { Descriptor } from './manifest.ts';
import type { Repository } from './manifests.ts';
import { smallBlob } from './profile.ts';
import { RegistryFailure } from './registry-failure.ts';

/** Registries hash or assemble a blob before they answer the request that completes it. */
const commitTimeoutMs = 300_000;

export async function hasBlob(repository: Repository, digest: Digest, signal?: AbortSignal): Promise<boolean> {
  const response = await repository.registry.request({
    method: 'HEAD',
    target: `${repository.name}/blobs/${digest}`,
    scopes: [repositoryScope(repository.name, 'pull,push')],
    expect: [200, 404],
    doing: `look up blob ${digest} of`,
    repository: repository.name,
    writes: false,
    signal,
  });
  await response.body.dump();
  return response.status === 200;
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

export type Upload = { mounted: true } | { mounted: false; session: URL };

/**
 * Opens an upload. With `mountFrom`, a repository of the same registry that holds the blob, asks for a mount first; a
 * registry that has nothing to mount answers with an ordinary session, so asking costs nothing.
 */
export async function startUpload(
  repository: Repository,
  digest: Digest,
  mountFrom: string | undefined,
  signal?: AbortSignal,
): Promise<Upload> {
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
  repository: Repository,
  digest: Digest,
  mountFrom: string | undefined,
  signal?: AbortSignal,
): Promise<Upload> {
  const query =
    mountFrom === undefined ? '' : `?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(mountFrom)}`;
  const target = `${repository.name}/blobs/uploads/${query}`;
  // The destination's scope goes first: some token services honour only that one (go-containerregistry, bearer.go).
  const scopes = [repositoryScope(repository.name, 'pull,push')];
  if (mountFrom !== undefined) scopes.push(repositoryScope(mountFrom, 'pull'));
  const response = await repository.registry.request({
    method: 'POST',
    target,
    scopes,
    expect: [201, 202],
    headers: { 'content-length': '0' },
    doing: 'start an upload to',
    repository: repository.name,
    writes: true,
    signal,
  });
  await response.body.dump();
  if (response.status === 201) return { mounted: true };
  return { mounted: false, session: sessionOf(repository, response, target) };
}

/** Sends a whole blob into a session and completes it. `body` must yield exactly the descriptor's bytes. */
export async function finishUpload(
  repository: Repository,
  session: URL,
  descriptor: Descriptor,
  body: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<void> {
  const request = {
    scopes: [repositoryScope(repository.name, 'pull,push')],
    headers: { 'content-type': 'application/octet-stream', 'content-length': String(descriptor.size) },
    doing: `push blob ${descriptor.digest} to`,
    repository: repository.name,
    writes: true,
    headersTimeoutMs: commitTimeoutMs,
    signal,
  };
  const whole = repository.registry.profile.upload === 'put' || descriptor.size <= smallBlob;
  if (whole) {
    const put = await repository.registry.request({
      ...request,
      method: 'PUT',
      target: withDigest(session),
      expect: [200, 201, 204],
      body,
    });
    await put.body.dump();
    return;
  }
  // 201 is ECR's answer to PATCH, 204 Google's; the specification's is 202.
  const patch = await repository.registry.request({
    ...request,
    method: 'PATCH',
    target: session,
    expect: [200, 201, 202, 204],
    body,
  });
  await patch.body.dump();
  const put = await repository.registry.request({
    ...request,
    method: 'PUT',
    target: withDigest(sessionOf(repository, patch, session)),
    expect: [200, 201, 204],
    headers: { 'content-length': '0' },
  });
  await put.body.dump();

  function withDigest(location: URL): URL {
    const url = new URL(location);
    // Appended to the text as it is: the rest of the query is the registry's own state, perhaps signed.
    url.search += `${url.search === '' ? '?' : '&'}digest=${encodeURIComponent(descriptor.digest)}`;
    return url;
  }
}

/** Best effort must not hold anyone up, in milliseconds. */
const cancelTimeoutMs = 5_000;

/**
 * Tells the registry to forget a session. Best effort: users who may only add are not allowed to. Takes no signal, since
 * it is called when work was aborted.
 */
export async function cancelUpload(repository: Repository, session: URL): Promise<void> {
  try {
    const response = await repository.registry.request({
      method: 'DELETE',
      target: session,
      scopes: [repositoryScope(repository.name, 'pull,push')],
      expect: [200, 202, 204, 404],
      doing: 'cancel an upload to',
      repository: repository.name,
      writes: true,
      signal: AbortSignal.timeout(cancelTimeoutMs),
    });
    await response.body.dump();
  } catch {
    // Registries clean abandoned sessions up by themselves.
  }
}

/** The session's next address. Registries may change it with every answer, and leave it out when it stays. */
function sessionOf(repository: Repository, response: Response, target: string | URL): URL {
  const location = response.header('location');
  if (location !== undefined) return repository.registry.resolve(location, target);
  if (target instanceof URL) return target;
  throw new RegistryFailure(
    'RegistryFailed',
    `${repository.registry.name} opened an upload to ${repository.name} without a Location`,
    {
      hint: 'The registry does not follow the distribution specification.',
      status: response.status,
      transient: false,
    },
  );
}
