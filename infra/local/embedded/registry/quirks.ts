/**
 * Differences of a registry from the plain specification. All are off by default. A test may change the record of a
 * running registry at any time. Registries in brackets behave so; sources are in `profiles.ts`.
 */
export interface Quirks {
  // Uploads
  /** PATCH with `Content-Range`, and any second PATCH, answer 400 UNSUPPORTED. [Artifact Registry] */
  noChunked?: boolean;
  /** A PUT body of more bytes answers 413. [ACR] */
  maxPutBytes?: number;
  /** A PATCH with `Content-Range` of more bytes answers 416. [GHCR] */
  maxChunkBytes?: number;
  /** Announced as `OCI-Chunk-Min-Length`; a smaller chunk that is not the last answers 416. [Cloudflare] */
  minChunkBytes?: number;
  /** Announces `maxChunkBytes` as the non-standard `OCI-Chunk-Max-Length`. [Cloudflare] */
  announceMaxChunk?: boolean;
  /** A PATCH with `Content-Range` but without `Content-Length` answers 400. [ACR] */
  requireChunkLength?: boolean;
  /** Chunks are appended whatever their `Content-Range` says. [distribution 2.8] */
  ignoreContentRange?: boolean;
  /** Default 202. */
  patchStatus?: 201 | 202 | 204;
  /** `Range` stays at the end of the first chunk. [ECR] */
  frozenRange?: boolean;
  /** GET of an upload answers 404. [ECR Public] */
  uploadStatusNotFound?: boolean;
  /** GET of an upload answers with `bytes=0-N` for N bytes. [Quay] */
  exclusiveRange?: boolean;
  /** An upload is forgotten that many milliseconds after it began. [GHCR: 10 minutes] */
  uploadLifetimeMs?: number;
  /** PUT with a body right after POST answers 404. [old Artifactory] */
  postPutNotFound?: boolean;
  /** POST with `digest` ignores the body and answers 202. [distribution] */
  noSinglePost?: boolean;
  /** Every `Location` works once. [GCR] */
  locationSingleUse?: boolean;
  /** `Location` is a whole URL instead of a path. */
  absoluteLocation?: boolean;
  /** The scheme such a URL has, whatever the request's was. [Nexus behind a TLS proxy] */
  locationScheme?: 'http' | 'https';

  // Mounts
  /**
   * `yes` (default) · `no`: a plain upload begins · `afterManifest`: only once a manifest in `from` points at the
   * blob [ECR] · `unauthorizedFrom`: 401 when `from` begins with another path component [Harbor, GitLab]
   */
  mount?: 'yes' | 'no' | 'afterManifest' | 'unauthorizedFrom';
  /** `mount` without `from` searches every repository. */
  anonymousMount?: boolean;
  /** `mount` without `from` answers 400. [Quay] */
  mountRequiresFrom?: boolean;
  /** A blob that any manifest points at is seen in every repository. [Artifactory] */
  sharedBlobs?: boolean;

  // Blobs
  /** HEAD of a blob answers 401. [ECR Public] */
  blobHeadUnauthorized?: boolean;
  /** Blob GETs answer 307 to a signed URL on another origin, which refuses credentials. [Hub, ECR, Quay, …] */
  redirectBlobs?: {
    /** Lifetime of a signed URL in seconds, default 1200. */
    expiresSeconds?: number;
    /** Number of requests that a signed URL serves; later ones get 403. */
    uses?: number;
  };
  /** Range requests answer 200 with everything. */
  noRange?: boolean;
  /** sha512 digests answer 400. [distribution 2.8] */
  sha256Only?: boolean;

  // Manifests
  /** Answers 403 instead of 404 for a missing manifest or blob. [Artifactory] */
  forbiddenForMissing?: boolean;
  /** Sent with every answer as `X-JFrog-Version`. [Artifactory] */
  jfrogVersion?: string;
  /** Status for a request without credentials, sent without a challenge; only `/v2/` has one. [GCR of 2017: 403] */
  silentRefusal?: 401 | 403;
  /** The error code of a missing manifest. [Harbor: UNKNOWN] */
  missingManifestCode?: 'MANIFEST_UNKNOWN' | 'UNKNOWN';
  /** Manifest PUT without `Content-Length` answers 411. [Nexus] */
  requireContentLengthOnManifestPut?: boolean;
  /** Manifest PUT without `Content-Type` answers 400 even when the manifest has a `mediaType`. */
  requireManifestContentType?: boolean;
  /** Manifests that point at missing blobs or children are accepted. */
  acceptDangling?: boolean;
  /** A missing child answers ReferencedImagesNotFound instead of MANIFEST_BLOB_UNKNOWN. [ECR] */
  childrenMustExist?: boolean;
  /** Manifest GET answers 404 when `Accept` does not name its type. [distribution] */
  honourAccept?: boolean;
  /** Manifest PUT answers without `Location`. [ECR] */
  noManifestLocation?: boolean;
  /** HEAD of a manifest answers with `Content-Length: 0`. [Harbor] */
  unreliableManifestHead?: boolean;
  /** Largest manifest in bytes, default 4 MiB. Larger ones answer 413. */
  maxManifestBytes?: number;
  /** A tag that exists answers this when it is pushed with another digest. [ECR: 400 ImageTagAlreadyExists] */
  immutableTags?: { status?: number; code?: 'ImageTagAlreadyExists' | 'DENIED' };
  /** Manifest PUTs per second; further ones answer 429. [ECR: 10] */
  manifestPutsPerSecond?: number;
  /** `Docker-Content-Digest` is not sent. */
  noContentDigest?: boolean;

  // Repositories, lists, referrers
  /** `false`: a push to an unknown repository answers NAME_UNKNOWN. Default true. [ECR: false] */
  createRepositories?: boolean;
  /** Largest page of tags and of the catalog. [ECR: 1000] */
  maxPageSize?: number;
  /** Referrers answer 404 and `OCI-Subject` is not sent. [distribution 2.8, Hub] */
  noReferrers?: boolean;
  /** Referrers come in pages of that many. [ECR: 50] */
  referrersPageSize?: number;
  /** Status for a manifest with a `subject`. [ECR: 405] */
  rejectSubject?: number;
  /** DELETE of manifests and blobs answers 405. */
  noDelete?: boolean;
  /**
   * `alone` (default): the tag goes, its manifest stays · `refused`: DELETE of a tag answers 400 [distribution 2] ·
   * `unsupported`: it answers 405 [Harbor] · `manifest`: the manifest goes with all its tags [zot of 2020]
   */
  deleteTag?: 'alone' | 'refused' | 'unsupported' | 'manifest';
  /** DELETE of a digest that has a tag answers 400. [Artifact Registry] */
  tagsFirst?: boolean;

  // Limits
  /** Docker Hub's pull limit: manifest GETs count, and `ratelimit-*` headers tell. */
  rateLimit?: {
    limit: number;
    windowSeconds: number;
    /** Counted down by the registry; default `limit`. */
    remaining?: number;
    /** Form of the 429's body, default json. */
    body?: 'json' | 'text';
    retryAfter?: { seconds: number; as: 'seconds' | 'date' };
  };
  /** Pause before each answer, in milliseconds. */
  latencyMs?: number;
  /** `Content-Type` of answers that have none of their own. [Quay: `text/html`, the default of Flask] */
  defaultType?: string;
  /** Text of a `Warning: 299` header on every answer. */
  warning?: string;
}
