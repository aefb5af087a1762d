import { createHash } from 'node:crypto';
import { mediaTypes } from '../../functions/oci/spec/media-type.ts';
import type { Image } from '../../infra/local/embedded/registry/storage.ts';

/** Images of shapes that the samples do not have. */

interface Shape {
  algorithm?: 'sha256' | 'sha512';
  /** Without `mediaType`. */
  untyped?: boolean;
  /** An OCI artifact manifest, which image-spec 1.1 withdrew. */
  withdrawn?: boolean;
  /** Media type and URLs of the first layer. */
  foreign?: { type: string; urls: readonly string[] };
}

export function storedImage(layers: readonly Buffer[], shape: Shape = {}): Image {
  const { algorithm = 'sha256', untyped = false, withdrawn = false, foreign } = shape;
  const config = Buffer.from('{"architecture":"amd64","os":"linux"}');
  const digests = new Map([config, ...layers].map((content) => [content, digestOf(content, algorithm)]));
  const describe = (mediaType: string, content: Buffer) => ({
    mediaType,
    digest: digests.get(content),
    size: content.length,
  });
  const described = layers.map((layer, i) =>
    i === 0 && foreign
      ? { ...describe(foreign.type, layer), ...(foreign.urls.length > 0 && { urls: foreign.urls }) }
      : describe('application/vnd.oci.image.layer.v1.tar', layer),
  );
  const mediaType = withdrawn ? mediaTypes.ociArtifact : mediaTypes.ociManifest;
  const document = {
    schemaVersion: 2,
    ...(!untyped && { mediaType }),
    ...(withdrawn
      ? { blobs: described }
      : { config: describe('application/vnd.oci.image.config.v1+json', config), layers: described }),
  };
  const blobs = withdrawn ? layers : [config, ...layers];
  return finished(document, mediaType, new Map(blobs.map((content) => [digests.get(content) ?? '', content])), []);
}

/** An artifact as ORAS and cosign push it: an empty config, its type in `artifactType`, perhaps a subject. */
export function artifact(artifactType: string, content: Buffer, subject?: Image): Image {
  const empty = Buffer.from('{}');
  const document = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    artifactType,
    config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(empty), size: 2 },
    layers: [{ mediaType: artifactType, digest: digestOf(content), size: content.length }],
    ...(subject && { subject: descriptorOf(subject) }),
  };
  return finished(
    document,
    mediaTypes.ociManifest,
    new Map([empty, content].map((blob) => [digestOf(blob), blob])),
    [],
  );
}

export function indexOf(children: readonly Image[], more: object = {}): Image {
  const document = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: children.map(descriptorOf), ...more };
  return finished(document, mediaTypes.ociIndex, new Map(), children);
}

function finished(document: object, mediaType: string, blobs: Map<string, Buffer>, children: readonly Image[]): Image {
  const bytes = Buffer.from(JSON.stringify(document));
  return { digest: digestOf(bytes), mediaType, bytes, blobs, children };
}

export function descriptorOf({ mediaType, digest, bytes }: Image): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest, size: bytes.length };
}

function digestOf(content: Buffer, algorithm: 'sha256' | 'sha512' = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(content).digest('hex')}`;
}
