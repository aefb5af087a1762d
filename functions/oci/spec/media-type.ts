/** Media types of the image spec (media-types.md) and of Docker's image manifest v2, schema 2. */
export const mediaTypes = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  /** The short-lived predecessor of `subject` in OCI manifests (ORAS artifacts, removed before image-spec 1.1). */
  ociArtifact: 'application/vnd.oci.artifact.manifest.v1+json',
} as const;

const schema1 = new Set([
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
]);

/** Every manifest kind that can be copied, for `Accept`. Without schema 1, registries return schema 2. */
export const acceptedManifests: string = Object.values(mediaTypes).join(', ');

export function isIndexType(mediaType: string): boolean {
  return mediaType === mediaTypes.ociIndex || mediaType === mediaTypes.dockerList;
}

export function isManifestType(mediaType: string): boolean {
  return isIndexType(mediaType) || (Object.values(mediaTypes) as string[]).includes(mediaType);
}

export function isSchema1(mediaType: string): boolean {
  return schema1.has(mediaType);
}

/** Layers that may be left at their `urls`: Windows base images (image-spec layer.md, "Non-Distributable Layers"). */
export function isNondistributable(mediaType: string): boolean {
  return mediaType.includes('nondistributable') || mediaType.includes('rootfs.foreign');
}
