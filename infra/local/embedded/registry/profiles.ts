import type { Quirks } from './quirks.ts';

interface Profile {
  quirks: Quirks;
  auth: 'basic' | 'bearer';
}

const MiB = 1024 * 1024;

/** Lists are as hosted registries behaved when the sources were written; none is a contract of theirs. */
const profiles = {
  // harbor#23015, sdk-container-builds#258, opencontainers/artifacts#55
  acr: {
    auth: 'bearer',
    quirks: { maxPutBytes: 20 * MiB, requireChunkLength: true, redirectBlobs: {}, deleteTag: 'unsupported' },
  },
  // containerd#3533, RTFACT-13797
  artifactory: {
    auth: 'bearer',
    quirks: {
      mount: 'no',
      postPutNotFound: true,
      forbiddenForMissing: true,
      sharedBlobs: true,
      jfrogVersion: 'Artifactory/7.104.6 80406900',
    },
  },
  // serverless-registry src/chunk.ts, distribution-spec#485
  cloudflare: {
    auth: 'basic',
    quirks: { minChunkBytes: 5 * MiB, maxChunkBytes: 100 * 1000 * 1000, announceMaxChunk: true },
  },
  // 2.8.2, measured with the conformance suite
  distribution: {
    auth: 'bearer',
    quirks: {
      noSinglePost: true,
      ignoreContentRange: true,
      noReferrers: true,
      sha256Only: true,
      noDelete: true,
      deleteTag: 'refused',
      honourAccept: true,
      absoluteLocation: true,
    },
  },
  // docs.docker.com/docker-hub/usage/pulls, hub-feedback#1907
  'docker-hub': {
    auth: 'bearer',
    quirks: {
      rateLimit: { limit: 100, windowSeconds: 21_600 },
      redirectBlobs: {},
      noReferrers: true,
      noSinglePost: true,
      honourAccept: true,
      absoluteLocation: true,
    },
  },
  // aws/containers-roadmap#2831 #2860 #2783, rust-oci-client#33
  ecr: {
    auth: 'basic',
    quirks: {
      createRepositories: false,
      patchStatus: 201,
      frozenRange: true,
      mount: 'afterManifest',
      childrenMustExist: true,
      noManifestLocation: true,
      rejectSubject: 405,
      maxPageSize: 1000,
      referrersPageSize: 50,
      manifestPutsPerSecond: 10,
      redirectBlobs: {},
    },
  },
  // dotnet/sdk#33019, containers-roadmap#1459, buildbuddy#12635
  'ecr-public': {
    auth: 'bearer',
    quirks: {
      createRepositories: false,
      patchStatus: 201,
      frozenRange: true,
      uploadStatusNotFound: true,
      mount: 'no',
      blobHeadUnauthorized: true,
      redirectBlobs: {},
    },
  },
  // sdk-container-builds#287, containerd#1318
  gar: {
    auth: 'bearer',
    quirks: {
      noChunked: true,
      patchStatus: 204,
      locationSingleUse: true,
      absoluteLocation: true,
      redirectBlobs: {},
      tagsFirst: true,
    },
  },
  // rust-oci-client#35 #37
  ghcr: {
    auth: 'bearer',
    quirks: { maxChunkBytes: 4 * MiB, uploadLifetimeMs: 600_000, noReferrers: true, redirectBlobs: {}, noDelete: true },
  },
  // ggcr#220, moby#33558
  gitlab: { auth: 'bearer', quirks: { mount: 'unauthorizedFrom', noReferrers: true, noSinglePost: true } },
  // harbor#17097, ggcr#1393, oras-go repository.go
  harbor: {
    auth: 'bearer',
    quirks: {
      mount: 'unauthorizedFrom',
      missingManifestCode: 'UNKNOWN',
      unreliableManifestHead: true,
      deleteTag: 'unsupported',
    },
  },
  // nexus-public#1040
  nexus: {
    auth: 'basic',
    quirks: { requireContentLengthOnManifestPut: true, maxManifestBytes: 10 * MiB, absoluteLocation: true },
  },
  // ggcr#1193; quay/quay: endpoints/v2/blob.py
  quay: {
    auth: 'bearer',
    quirks: {
      mountRequiresFrom: true,
      redirectBlobs: { expiresSeconds: 600 },
      defaultType: 'text/html; charset=utf-8',
      exclusiveRange: true,
    },
  },
  zot: { auth: 'basic', quirks: {} },
} as const satisfies Record<string, Profile>;

export type ProfileName = keyof typeof profiles;

export const profileNames = Object.keys(profiles) as ProfileName[];

export function profile(name: ProfileName): Quirks {
  return structuredClone(profiles[name].quirks);
}

/** Returns the authentication scheme of such a registry. */
export function authKind(name: ProfileName): 'basic' | 'bearer' {
  return profiles[name].auth;
}
