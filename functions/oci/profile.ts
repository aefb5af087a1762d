/** How one kind of registry differs from the specification's happy path. Sources: docs/registries of the kind named. */
export interface Profile {
  readonly name: string;
  /** The host that serves the API, when it is not the one in image names. */
  readonly apiHost?: string;
  /**
   * How blobs above `smallBlob` are sent. `patch`: one streamed PATCH, then PUT, which is what `docker push` does and
   * therefore the best tested path. `put`: PUT with the whole body, where PATCH is not offered.
   */
  readonly upload: 'patch' | 'put';
  /**
   * From when on a blob of one repository can be mounted into another: at once, or only after a manifest refers to it
   * (ECR: https://github.com/aws/containers-roadmap/issues/2860).
   */
  readonly mount: 'immediate' | 'after-manifest';
}

/** Blobs up to this many bytes are sent with POST and PUT: one round trip less, and below every known PUT limit. */
export const smallBlob = 8 * 1024 * 1024;

const standard: Profile = { name: 'distribution', upload: 'patch', mount: 'immediate' };

const hosts: readonly (readonly [RegExp, Profile])[] = [
  [
    /^(?:docker\.io|index\.docker\.io|registry-1\.docker\.io)$/,
    { ...standard, name: 'docker-hub', apiHost: 'registry-1.docker.io' },
  ],
  // Google Artifact Registry refuses chunked uploads (https://github.com/dotnet/sdk-container-builds/issues/287).
  [/(?:^|[.-])(?:docker\.pkg\.dev|gcr\.io)$/, { ...standard, name: 'gar', upload: 'put' }],
  [
    /\.dkr[.-]ecr(?:-fips)?\.[a-z0-9-]+\.(?:amazonaws\.com(?:\.cn)?|on\.aws|on\.amazonwebservices\.com\.cn)$/,
    { ...standard, name: 'ecr', mount: 'after-manifest' },
  ],
  [/^public\.ecr\.aws$/, { ...standard, name: 'ecr-public', mount: 'after-manifest' }],
  [/\.jfrog\.io$/, { ...standard, name: 'artifactory', mount: 'after-manifest' }],
];

export function profileOf(registry: string): Profile {
  return hosts.find(([pattern]) => pattern.test(registry))?.[1] ?? standard;
}
