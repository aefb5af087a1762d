import { FactoryError } from '../errors.ts';
import type { Response } from '../http/transport.ts';
import { repositoryScope } from './auth/authorizer.ts';
import { type Digest, isDigest } from './digest.ts';
import { type Manifest, manifestLimits, parseManifest } from './manifest.ts';
import { acceptedManifests } from './media-type.ts';
import type { ReadLimit, Registry, RegistryRequest } from './registry.ts';
import { RegistryFailure } from './registry-failure.ts';

/** A `Repository` is named within its registry: `prefix/harness/ci-addon`. */
export interface Repository {
  readonly registry: Registry;
  readonly name: string;
}

/**
 * The digest that a tag (or digest) points at, by HEAD: Docker Hub counts manifest GETs as pulls, HEADs not
 * (https://docs.docker.com/docker-hub/usage/pulls/). `undefined` when there is no such manifest.
 * Falls back to GET for registries that leave the digest header out.
 */
export async function resolveTag(
  repository: Repository,
  tagOrDigest: string,
  signal?: AbortSignal,
): Promise<Digest | undefined> {
  const response = await ifThere(repository, {
    method: 'HEAD',
    target: `${repository.name}/manifests/${tagOrDigest}`,
    scopes: [repositoryScope(repository.name, 'pull')],
    expect: [200, 404],
    headers: { accept: acceptedManifests },
    doing: `look up manifest ${tagOrDigest} of`,
    repository: repository.name,
    writes: false,
    signal,
  });
  await response?.body.dump();
  if (response?.status !== 200) return undefined;
  const digest = response.header('docker-content-digest');
  if (digest !== undefined && isDigest(digest)) return digest;
  return (await getManifest(repository, tagOrDigest, signal)).digest;
}

/** The answer, unless it is 403 from a registry that answers so for what is missing; the answer itself may tell that. */
async function ifThere({ registry }: Repository, request: RegistryRequest): Promise<Response | undefined> {
  try {
    return await registry.request(request);
  } catch (error) {
    if (error instanceof RegistryFailure && error.status === 403 && registry.profile.missing403) return undefined;
    throw error;
  }
}

/** Reads a manifest and checks it against the digest it was asked for by. Throws `ImageNotFound`, `DigestMismatch`, … */
export async function getManifest(
  repository: Repository,
  tagOrDigest: string,
  signal?: AbortSignal,
): Promise<Manifest> {
  const request: RegistryRequest = {
    method: 'GET',
    target: `${repository.name}/manifests/${tagOrDigest}`,
    scopes: [repositoryScope(repository.name, 'pull')],
    expect: [200],
    headers: { accept: acceptedManifests },
    doing: `pull manifest ${tagOrDigest} of`,
    repository: repository.name,
    writes: false,
    signal,
  };
  const { response, bytes } = await repository.registry.read(
    request,
    manifestSize(`manifest ${tagOrDigest} of ${repository.name}`),
  );
  return parseManifest(bytes, response.header('content-type'), isDigest(tagOrDigest) ? tagOrDigest : undefined);
}

/** How much is read of what should be a manifest; `what` is named in the `ManifestInvalid` of one that is larger. */
export function manifestSize(what: string): ReadLimit {
  return {
    bytes: manifestLimits.bytes,
    exceeded: (cause) =>
      new FactoryError('ManifestInvalid', `${what} is larger than 4 MiB`, {
        hint: 'No registry has to accept manifests above 4 MiB; this one is broken or hostile.',
        cause,
      }),
  };
}

/**
 * Stores a manifest, byte for byte, under a tag or its digest. Returns the digest that the registry gave it, where it
 * says so, and whether it keeps track of its `subject`; if not, that is the client's work (distribution-spec, "Pushing
 * Manifests with Subject").
 */
export async function putManifest(
  repository: Repository,
  tagOrDigest: string,
  manifest: Manifest,
  signal?: AbortSignal,
): Promise<{ digest: Digest | undefined; tracksSubject: boolean }> {
  await repository.registry.manifestTurn(signal);
  const response = await repository.registry.request({
    method: 'PUT',
    target: `${repository.name}/manifests/${tagOrDigest}`,
    scopes: [repositoryScope(repository.name, 'pull,push')],
    expect: [200, 201, 202],
    headers: { 'content-type': manifest.mediaType },
    body: manifest.bytes,
    doing: `push manifest ${tagOrDigest} to`,
    repository: repository.name,
    writes: true,
    manifest,
    signal,
  });
  await response.body.dump();
  const digest = response.header('docker-content-digest');
  return {
    digest: digest !== undefined && isDigest(digest) ? digest : undefined,
    tracksSubject: response.header('oci-subject') !== undefined,
  };
}

/** Deletes a manifest and with it every tag that points at it. A manifest that is gone already is fine. */
export async function deleteManifest(repository: Repository, digest: Digest, signal?: AbortSignal): Promise<void> {
  const response = await repository.registry.request(deletion(repository, digest, signal));
  await response.body.dump();
}

/** How registries refuse to delete by tag: the specification's statuses, with a code that is not about rights. */
const tagRefusals = new Set([400, 405, 501]);

/**
 * Deletes a tag and leaves its manifest (distribution-spec, "Deleting tags"). Returns `false` where the registry deletes
 * by digest only. A tag that is gone already is fine.
 */
export async function deleteTag(repository: Repository, tag: string, signal?: AbortSignal): Promise<boolean> {
  const { registry } = repository;
  if (!registry.profile.deletesTags) return false;
  try {
    const response = await registry.request(deletion(repository, tag, signal));
    await response.body.dump();
    return true;
  } catch (error) {
    if (!(error instanceof RegistryFailure) || !tagRefusals.has(error.status)) throw error;
    registry.adapt({ deletesTags: false }, `${registry.name} does not delete tags alone`);
    return false;
  }
}

function deletion(repository: Repository, reference: string, signal: AbortSignal | undefined): RegistryRequest {
  return {
    method: 'DELETE',
    target: `${repository.name}/manifests/${reference}`,
    scopes: [repositoryScope(repository.name, 'delete'), repositoryScope(repository.name, 'pull,push')],
    expect: [200, 202, 204, 404],
    doing: `delete manifest ${reference} of`,
    repository: repository.name,
    writes: true,
    signal,
  };
}
