import { FactoryError } from '../../errors.ts';
import { type Digest, isDigest } from '../spec/digest.ts';
import { type Manifest, manifestLimits, parseManifest } from '../spec/manifest.ts';
import { acceptedManifests } from '../spec/media-type.ts';
import type { ReadLimit } from './registry-request.ts';
import type { RepositoryClient, RepositoryRequest } from './repository-client.ts';
import { RegistryFailure } from './registry-failure.ts';

/**
 * The digest that a tag (or digest) points at, by HEAD: Docker Hub counts manifest GETs as pulls, but not HEADs
 * (https://docs.docker.com/docker-hub/usage/pulls/). Returns `undefined` when there is no such manifest.
 *
 * Falls back to GET where HEAD is refused (405: https://github.com/distribution/distribution/issues/1485), times out,
 * lacks the digest, or returns 404 for a present manifest (https://github.com/nicholas-fedor/watchtower/issues/667),
 * and records that in the profile. While no HEAD has succeeded, a 404 is checked by GET, unless the `absence` of the
 * manifest is likely.
 */
export async function resolveTag(
  repository: RepositoryClient,
  tagOrDigest: string,
  { absence = 'unlikely', signal }: { absence?: 'likely' | 'unlikely'; signal?: AbortSignal | undefined } = {},
): Promise<Digest | undefined> {
  const { registry } = repository;
  const { headManifest, countsPulls } = registry.profile;
  const byGet = async () => ifThere(repository, readManifest(repository, tagOrDigest, lookUp(tagOrDigest), signal));
  if (headManifest === 'no') return (await byGet())?.digest;
  // GET is the better second try, unless it costs a pull.
  const isTrial = headManifest === 'unproven' && !countsPulls;
  const outcome = await headOf(repository, tagOrDigest, isTrial, signal);
  if (typeof outcome === 'string') {
    registry.adapt({ headManifest: 'yes' });
    return outcome;
  }
  const isAbsent = outcome === 404 || (outcome === 403 && registry.profile.missing403);
  if (isAbsent && (absence === 'likely' || registry.profile.headManifest === 'yes')) return undefined;
  const found = await byGet();
  if (found || outcome === 405 || outcome === 501) {
    registry.adapt(
      { headManifest: 'no', headBlob: false },
      `${registry.name} does not support HEAD of manifests: they are looked up by GET`,
    );
  }
  return found?.digest;
}

function lookUp(tagOrDigest: string): string {
  return `look up manifest ${tagOrDigest} of`;
}

/** Timeout of the first HEAD, in milliseconds. */
const trialMs = 10_000;

/** Statuses by which a registry, or a firewall in front of it, refuses HEAD itself. */
const headRefusals = new Set([400, 403, 405, 501]);

/**
 * Returns the digest, or the status of a response that GET may explain; 0 without a response. Throws other failures.
 */
async function headOf(
  repository: RepositoryClient,
  tagOrDigest: string,
  isTrial: boolean,
  signal?: AbortSignal,
): Promise<Digest | number> {
  try {
    const response = await repository.request({
      method: 'HEAD',
      target: `manifests/${tagOrDigest}`,
      access: 'pull',
      expect: [200, 404],
      headers: { accept: acceptedManifests },
      doing: lookUp(tagOrDigest),
      writes: false,
      ...(isTrial && { isTrial, headersTimeoutMs: trialMs }),
      signal,
    });
    await response.body.dump();
    const digest = response.header('docker-content-digest');
    return response.status === 200 && digest !== undefined && isDigest(digest) ? digest : response.status;
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof RegistryFailure)) throw error;
    const { status, transient, name: failure } = error;
    const isUnanswered = isTrial && transient && failure === 'RegistryUnreachable' && status === 0;
    if (!headRefusals.has(status) && !isUnanswered) throw error;
    return status;
  }
}

/** Returns the manifest, or `undefined` when it is missing. Some registries return 403 then. */
async function ifThere({ registry }: RepositoryClient, reading: Promise<Manifest>): Promise<Manifest | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (!(error instanceof FactoryError)) throw error;
    const is403 = error instanceof RegistryFailure && error.status === 403;
    if (error.name === 'ImageNotFound' || (is403 && registry.profile.missing403)) return undefined;
    throw error;
  }
}

/** Reads a manifest and checks it against the requested digest. Throws `ImageNotFound`, `DigestMismatch`, … */
export function getManifest(
  repository: RepositoryClient,
  tagOrDigest: string,
  signal?: AbortSignal,
): Promise<Manifest> {
  return readManifest(repository, tagOrDigest, `pull manifest ${tagOrDigest} of`, signal);
}

async function readManifest(
  repository: RepositoryClient,
  tagOrDigest: string,
  doing: string,
  signal?: AbortSignal,
): Promise<Manifest> {
  const request: RepositoryRequest = {
    method: 'GET',
    target: `manifests/${tagOrDigest}`,
    access: 'pull',
    expect: [200],
    headers: { accept: acceptedManifests },
    doing,
    writes: false,
    signal,
  };
  const { response, bytes } = await repository.read(
    request,
    manifestSize(`manifest ${tagOrDigest} of ${repository.name}`),
  );
  return parseManifest(bytes, response.header('content-type'), isDigest(tagOrDigest) ? tagOrDigest : undefined);
}

/** Limits the size of a manifest. `what` names it in the `ManifestInvalid` of a larger one. */
export function manifestSize(what: string): ReadLimit {
  return {
    bytes: manifestLimits.bytes,
    exceeded: (cause) =>
      new FactoryError('ManifestInvalid', `${what} is larger than 4 MiB`, {
        hint: 'Use another source registry: the limit for manifests is 4 MiB, so this one is broken or hostile.',
        cause,
      }),
  };
}

/**
 * Stores a manifest, byte for byte, under a tag or its digest. Returns the digest that the registry reports, if any,
 * and whether the registry tracks its `subject`. If it does not, the client must (distribution-spec, "Pushing Manifests
 * with Subject").
 */
export async function putManifest(
  repository: RepositoryClient,
  tagOrDigest: string,
  manifest: Manifest,
  signal?: AbortSignal,
): Promise<{ digest: Digest | undefined; tracksSubject: boolean }> {
  await repository.registry.manifestTurn(signal);
  const response = await repository.request({
    method: 'PUT',
    target: `manifests/${tagOrDigest}`,
    access: 'push',
    expect: [200, 201, 202],
    headers: { 'content-type': manifest.mediaType },
    body: manifest.bytes,
    doing: `push manifest ${tagOrDigest} to`,
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

/** Deletes a manifest and with it every tag that points at it. Succeeds when the manifest is gone already. */
export async function deleteManifest(
  repository: RepositoryClient,
  digest: Digest,
  signal?: AbortSignal,
): Promise<void> {
  const response = await repository.request(deletion(digest, signal));
  await response.body.dump();
}

/** Statuses of a registry that does not delete by tag; none of them concerns permissions. */
const tagRefusals = new Set([400, 405, 501]);

/**
 * Deletes a tag and leaves its manifest (distribution-spec, "Deleting tags"). Returns `false` where the registry
 * deletes by digest only. Succeeds when the tag is gone already.
 */
export async function deleteTag(repository: RepositoryClient, tag: string, signal?: AbortSignal): Promise<boolean> {
  const { registry } = repository;
  if (!registry.profile.deletesTags) return false;
  try {
    const response = await repository.request(deletion(tag, signal));
    await response.body.dump();
    return true;
  } catch (error) {
    if (!(error instanceof RegistryFailure) || !tagRefusals.has(error.status)) throw error;
    registry.adapt({ deletesTags: false }, `${registry.name} does not delete tags alone`);
    return false;
  }
}

function deletion(reference: string, signal: AbortSignal | undefined): RepositoryRequest {
  return {
    method: 'DELETE',
    target: `manifests/${reference}`,
    access: 'delete',
    expect: [200, 202, 204, 404],
    doing: `delete manifest ${reference} of`,
    writes: true,
    signal,
  };
}
