import { ecrHosts } from './aws-partitions.ts';

/**
 * Behaviour of one kind of registry. Each row cites its source. Responses at run time correct the profile for the rest
 * of the run: see `Registry.adapt`.
 */
export interface Profile {
  readonly name: string;
  /** Host of the API, if it differs from the host in image names. */
  readonly apiHost?: string;
  /** Maximum size of a blob that is sent by POST and a single PUT, in bytes. */
  readonly maxPut: number;
  /**
   * Method for larger blobs. `patch`: one streamed PATCH, then PUT, as `docker push` does. `chunk`: PATCHes with
   * `Content-Range`, in the specification's form `0-99`; HTTP's own `bytes 0-99/*` is refused by ACR and others.
   */
  readonly large: 'patch' | 'chunk';
  /**
   * Size of a chunk in bytes, unless the registry requests another (`OCI-Chunk-Min-Length`, `OCI-Chunk-Max-Length`).
   */
  readonly chunkBytes: number;
  /** When a blob can be mounted into another repository: at once, once a manifest refers to it, or never. */
  readonly mount: 'immediate' | 'after-manifest' | 'never';
  /** Manifests per second that the registry accepts from all processes together. Default: no limit. */
  readonly manifestsPerSecond?: number;
  /** HEAD reports whether a blob exists. */
  readonly headBlob: boolean;
  /** HEAD returns the digest of a tag. While `unproven`, a 404 is checked by GET where it matters. */
  readonly headManifest: 'yes' | 'no' | 'unproven';
  readonly missing403: boolean;
  /** GETs of manifests count against a limit. HEADs report the rest of it. */
  readonly countsPulls: boolean;
  /** The `Range` of an upload reports its progress correctly. */
  readonly rangeTrusted: boolean;
  /** DELETE of a tag removes only the tag, as specified. `false`: the registry refuses it. */
  readonly deletesTags: boolean;
  /** DELETE of a digest is refused while a tag points at it. */
  readonly tagsFirst: boolean;
}

export type UploadWay = 'put' | Profile['large'];

const MiB = 1024 * 1024;

/** The limit of GHCR, the lowest known. Used after a registry refused larger chunks. */
const smallestChunk = 4 * MiB;

/** Lower than any known PUT limit of a registry. A proxy in front of it may have a lower one. */
const smallBlob = 8 * MiB;

const standard: Profile = {
  name: 'distribution',
  maxPut: Infinity,
  large: 'patch',
  chunkBytes: 8 * MiB,
  mount: 'immediate',
  headBlob: true,
  headManifest: 'unproven',
  missing403: false,
  countsPulls: false,
  rangeTrusted: true,
  // Distribution 3 deletes a tag alone, 2 returns 400. Quay (endpoints/v2/manifest.py) and GitLab (docs/spec/api.md of
  // its container-registry) delete it too.
  deletesTags: true,
  tagsFirst: false,
};

/**
 * https://github.com/aws/containers-roadmap/issues/2831 (`Range` stays at the first chunk), /2860 (mounts).
 * Large blobs are sent by PATCH, as Docker does: no client is known to send them in one PUT.
 */
const ecr: Profile = {
  ...standard,
  name: 'ecr',
  maxPut: smallBlob,
  mount: 'after-manifest',
  rangeTrusted: false,
  // PutImage: 10 (https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html), and others push too.
  manifestsPerSecond: 8,
};

/** Self-hosted software is recognized by its name at the start of the host name. */
const hosts: readonly (readonly [RegExp, Profile])[] = [
  [
    /^(?:docker\.io|index\.docker\.io|registry-1\.docker\.io)$/,
    // Deletes manifests that no tag points at (https://docs.docker.com/reference/api/registry/latest/), and no tags.
    { ...standard, name: 'docker-hub', apiHost: 'registry-1.docker.io', countsPulls: true, deletesTags: false },
  ],
  // Refuses chunked uploads (https://github.com/dotnet/sdk-container-builds/issues/287), so all goes by PUT. A
  // digest with a tag is not deleted: GOOGLE_MANIFEST_DANGLING_TAG (https://github.com/fluxcd/pkg/pull/328).
  [/(?:^|[.-])(?:docker\.pkg\.dev|gcr\.io)$/, { ...standard, name: 'gar', tagsFirst: true }],
  ...ecrHosts.map((host) => [host, ecr] as const),
  // HEAD of a blob returns 401 (https://github.com/buildbuddy-io/buildbuddy/issues/12635); mounts fail (roadmap#1459).
  [/^public\.ecr\.aws$/, { ...ecr, name: 'ecr-public', mount: 'never', headBlob: false }],
  // PUT of more than about 20 MB returns 413 (https://github.com/goharbor/harbor/issues/23015). Deletes by
  // digest only (https://github.com/fluxcd/pkg/pull/328).
  [/\.azurecr\.(?:io|cn|us|de)$/, { ...standard, name: 'acr', maxPut: 16 * MiB, deletesTags: false }],
  // A chunk of more than 4 MiB returns 416 (https://github.com/oras-project/rust-oci-client/issues/35). Deletes
  // nothing by this API (https://github.com/orgs/community/discussions/26267).
  [/^ghcr\.io$/, { ...standard, name: 'ghcr', chunkBytes: smallestChunk, deletesTags: false }],
  // Large blobs by PATCH, as Docker does, with a Content-Length
  // (https://github.com/google/go-containerregistry/issues/1193).
  [/^quay\.io$/, { ...standard, name: 'quay', maxPut: smallBlob }],
  // Returned 404 to PUT after POST (https://github.com/containerd/containerd/issues/3533), and 403 for missing content
  // (RTFACT-13797). Asked for a mount it opens an upload, but shows what any manifest refers to in every repository.
  [
    /\.jfrog\.io$|^(?:.+\.)?artifactory[.-]/,
    { ...standard, name: 'artifactory', maxPut: 0, mount: 'never', missing403: true },
  ],
  // Its platform takes no body above 100 MB (https://github.com/cloudflare/serverless-registry, src/chunk.ts).
  [/\.workers\.dev$/, { ...standard, name: 'cloudflare', maxPut: smallBlob, large: 'chunk' }],
  // What is special about these needs no setting: see `startUpload`, `Registry.resolve` and `putManifest`.
  // Harbor deletes by digest only (https://github.com/goharbor/harbor/pull/11971).
  [/^harbor[.-]|\.goharbor\.io$/, { ...standard, name: 'harbor', deletesTags: false }],
  [/^registry\.gitlab\./, { ...standard, name: 'gitlab' }],
  [/^nexus[.-]/, { ...standard, name: 'nexus' }],
  [/^zot[.-]|\.zothub\.io$|^zothub\.io$/, { ...standard, name: 'zot' }],
];

export function profileOf(registry: string): Profile {
  return hosts.find(([pattern]) => pattern.test(registry))?.[1] ?? standard;
}

export function uploadWay({ maxPut, large }: Profile, bytes: number): UploadWay {
  return bytes <= maxPut ? 'put' : large;
}

/** Returns the change that sends blobs of this size by `way`, and leaves smaller ones as they are where possible. */
export function sendingBy(way: UploadWay, bytes: number, { maxPut, chunkBytes }: Profile): Partial<Profile> {
  if (way === 'put') return { maxPut: Infinity };
  // A limit that a small blob met is not one of size.
  const still = Math.min(maxPut, bytes > smallBlob ? smallBlob : 0);
  return way === 'patch'
    ? { maxPut: still, large: way }
    : { maxPut: still, large: way, chunkBytes: Math.min(chunkBytes, smallestChunk) };
}
