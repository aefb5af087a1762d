import type { Digest } from '../spec/digest.ts';
import { type Descriptor, type Manifest, parseManifest } from '../spec/manifest.ts';
import { getManifest, manifestSize, putManifest, resolveTag } from './manifests.ts';
import { nextLink } from './link-header.ts';
import { mediaTypes } from '../spec/media-type.ts';
import type { RepositoryClient, RepositoryRequest } from './repository-client.ts';

/** Selection of the artifacts that are copied with the image they refer to. */
export type ReferrersPolicy = 'off' | 'signatures' | 'all';

const signatureTypes = new Set([
  'application/vnd.cncf.notary.signature',
  'application/vnd.dev.cosign.artifact.sig.v1+json',
]);

/** cosign keeps signatures and attestations alike in bundles (cosign, specs/BUNDLE_SPEC.md). */
const sigstoreBundle = /^application\/vnd\.dev\.sigstore\.bundle(?:\.v[\d.]+)?\+json(?:;|$)/;
/** Predicate type of a signature. A bundle without the annotation counts as a signature. */
const signaturePredicate = 'https://sigstore.dev/cosign/sign/v1';

/**
 * Bounds on what may refer to one manifest. Images carry a handful of signatures and attestations for each platform; a
 * registry could list artifacts without end, each of which costs requests to the destination.
 */
export const referrerLimits = { pages: 20, artifacts: 500 };

/** The artifacts that refer to a manifest. */
export interface Referrers {
  readonly artifacts: readonly Descriptor[];
  /** There are more than `referrerLimits` allows. */
  readonly truncated: boolean;
}

/**
 * Lists the artifacts that refer to `subject`, by the referrers API or, where there is none, by its fallback tag, whose
 * index `read` gets. Stops at `referrerLimits`.
 */
export async function listReferrers(
  repository: RepositoryClient,
  subject: Digest,
  {
    signal,
    read = (digest) => getManifest(repository, digest, signal),
  }: { read?: (digest: Digest) => Promise<Manifest>; signal?: AbortSignal | undefined } = {},
): Promise<Referrers> {
  const found: Descriptor[] = [];
  let target: string | URL = `referrers/${subject}`;
  for (let page = 0; page < referrerLimits.pages; page++) {
    const request: RepositoryRequest = {
      method: 'GET',
      target,
      access: 'pull',
      // Statuses of registries without the API: use the tag instead.
      expect: [200, 400, 404, 405, 501],
      headers: { accept: mediaTypes.ociIndex },
      doing: `list the referrers of ${subject} in`,
      writes: false,
      signal,
    };
    const { response, bytes } = await repository.read(request, manifestSize(`the referrers of ${subject}`));
    if (response.status !== 200) {
      return bounded((await fallbackIndex(repository, subject, read, signal))?.manifests ?? []);
    }
    const index = parseManifest(bytes, mediaTypes.ociIndex);
    found.push(...index.manifests);
    if (found.length > referrerLimits.artifacts) return bounded(found);
    const next = nextLink(response.header('link'));
    if (next === undefined) return bounded(found);
    target = repository.resolve(next, target);
  }
  return { artifacts: found, truncated: true };
}

function bounded(found: readonly Descriptor[]): Referrers {
  const { artifacts } = referrerLimits;
  return { artifacts: found.slice(0, artifacts), truncated: found.length > artifacts };
}

export function isWantedReferrer(policy: ReferrersPolicy, artifact: Descriptor): boolean {
  return policy === 'all' || (policy === 'signatures' && isSignature(artifact));
}

function isSignature({ artifactType = '', annotations }: Descriptor): boolean {
  const predicate = annotations?.['dev.sigstore.bundle.predicateType'] ?? signaturePredicate;
  return signatureTypes.has(artifactType) || (sigstoreBundle.test(artifactType) && predicate === signaturePredicate);
}

/** Tags under which cosign keeps an image's artifacts without referrers (cosign, "Tag-based discovery"). */
export function cosignTags(policy: ReferrersPolicy, subject: Digest): string[] {
  const suffixes = { off: [], signatures: ['.sig'], all: ['.sig', '.att', '.sbom'] }[policy];
  return suffixes.map((suffix) => `${referrersTag(subject)}${suffix}`);
}

/**
 * Adds artifacts to the index under the fallback tag, as clients must where the registry does not track subjects
 * (distribution-spec, "Pushing Manifests with Subject").
 */
export async function addToFallbackIndex(
  repository: RepositoryClient,
  subject: Digest,
  artifacts: readonly Descriptor[],
  signal?: AbortSignal,
): Promise<void> {
  const known = await fallbackIndex(repository, subject, (digest) => getManifest(repository, digest, signal), signal);
  const listed = known?.manifests ?? [];
  const digests = new Set(listed.map(({ digest }) => digest));
  const missing = artifacts.filter(({ digest }) => !digests.has(digest));
  if (missing.length === 0) return;
  const document = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [...listed, ...missing] };
  const index = parseManifest(new TextEncoder().encode(JSON.stringify(document)), mediaTypes.ociIndex);
  await putManifest(repository, referrersTag(subject), index, signal);
}

async function fallbackIndex(
  repository: RepositoryClient,
  subject: Digest,
  read: (digest: Digest) => Promise<Manifest>,
  signal?: AbortSignal,
): Promise<Manifest | undefined> {
  const digest = await resolveTag(repository, referrersTag(subject), { signal, absence: 'likely' });
  return digest && read(digest);
}

/** distribution-spec, "Referrers Tag Schema". */
function referrersTag(subject: Digest): string {
  return subject.replace(':', '-');
}
