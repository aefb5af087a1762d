import { type Digest, digestOf } from '../../functions/oci/spec/digest.ts';
import { type Descriptor, type Manifest, parseManifest } from '../../functions/oci/spec/manifest.ts';
import { mediaTypes } from '../../functions/oci/spec/media-type.ts';

/** Manifests of every kind, made by hand. */

export function bytesOf(document: unknown): Buffer {
  return Buffer.from(typeof document === 'string' ? document : JSON.stringify(document));
}

export function blob(content: string | Buffer, mediaType = 'application/vnd.oci.image.layer.v1.tar'): Descriptor {
  const bytes = Buffer.from(content);
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

export const config = blob('{}', 'application/vnd.oci.image.config.v1+json');

export function imageDocument(layers: readonly Descriptor[] = [blob('layer')], more: object = {}): object {
  return { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers, ...more };
}

export function indexDocument(manifests: readonly object[], more: object = {}): object {
  return { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests, ...more };
}

export function manifestOf(document: object): Manifest {
  return parseManifest(bytesOf(document), undefined);
}

export function descriptorOf({ mediaType, digest, bytes }: Manifest, more: object = {}): Descriptor {
  return { mediaType, digest, size: bytes.length, ...more };
}

/** Reads from what it is given; counts. */
export function reader(...manifests: readonly Manifest[]): {
  read: (digest: Digest) => Promise<Manifest>;
  reads: Digest[];
} {
  const known = new Map(manifests.map((manifest) => [manifest.digest, manifest]));
  const reads: Digest[] = [];
  const read = async (digest: Digest) => {
    reads.push(digest);
    const manifest = known.get(digest);
    if (!manifest) throw new Error(`no manifest ${digest}`);
    return manifest;
  };
  return { read, reads };
}
