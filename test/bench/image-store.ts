import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { digestOf } from '../../functions/oci/spec/digest.ts';
import { mediaTypes } from '../../functions/oci/spec/media-type.ts';
import { type Layer, writeLayer, writeZeros } from './layer.ts';

export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

export interface Platform {
  os: string;
  architecture: string;
}

const configType = 'application/vnd.oci.image.config.v1+json';
const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';

/**
 * A folder of images as `docker-registry` keeps them (distribution, registry/storage/paths.go): written without a
 * server, because pushing 2 GiB takes longer than most measurements.
 */
export class ImageStore {
  readonly #root: string;
  readonly #signal: AbortSignal | undefined;
  readonly #layers = new Map<string, Promise<Layer>>();
  readonly #blobs = new Map<string, number>();

  constructor(folder: string, signal?: AbortSignal) {
    this.#root = join(folder, 'docker/registry/v2');
    this.#signal = signal;
  }

  /** Bytes of all blobs, each counted once. Manifests are not blobs. */
  get blobBytes(): number {
    return [...this.#blobs.values()].reduce((sum, size) => sum + size, 0);
  }

  /** Adds a layer of `bytes` random bytes, which is made once for each seed. */
  async layer(repository: string, seed: string, bytes: number): Promise<Layer> {
    let making = this.#layers.get(seed);
    if (!making) this.#layers.set(seed, (making = this.#make((path) => writeLayer(path, seed, bytes, this.#signal))));
    const layer = await making;
    await this.#linkBlob(repository, layer);
    return layer;
  }

  /** Adds a layer of `bytes` zeros, which takes no space on a disk that keeps holes. */
  async zeros(repository: string, bytes: number): Promise<Layer> {
    const layer = await this.#make((path) => writeZeros(path, bytes));
    await this.#linkBlob(repository, layer);
    return layer;
  }

  /** Adds an image of these layers. */
  async image(repository: string, platform: Platform, layers: readonly Layer[], tag?: string): Promise<Descriptor> {
    const rootfs = { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) };
    const config = await this.#document(repository, configType, { ...platform, config: {}, rootfs });
    const manifest = {
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config,
      layers: layers.map(({ digest, size }) => ({ mediaType: layerType, digest, size })),
    };
    return this.#manifest(repository, manifest, tag);
  }

  /** Adds what buildx pushes beside each platform: a manifest whose only layer says how the image was built. */
  async attestation(repository: string, subject: Descriptor): Promise<Descriptor> {
    const statement = {
      _type: 'https://in-toto.io/Statement/v0.1',
      predicateType: 'https://slsa.dev/provenance/v0.2',
      subject: [{ name: repository, digest: { sha256: subject.digest.slice('sha256:'.length) } }],
      predicate: {},
    };
    const layer = await this.#document(repository, 'application/vnd.in-toto+json', statement);
    const rootfs = { type: 'layers', diff_ids: [layer.digest] };
    const config = await this.#document(repository, configType, { ...unknown, config: {}, rootfs });
    const manifest = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers: [layer] };
    return this.#manifest(repository, manifest);
  }

  async index(repository: string, manifests: readonly object[], tag: string): Promise<Descriptor> {
    return this.#manifest(repository, { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }, tag);
  }

  async #make(write: (path: string) => Promise<Layer>): Promise<Layer> {
    const path = join(this.#root, randomUUID());
    await mkdir(this.#root, { recursive: true });
    const layer = await write(path);
    const data = this.#dataOf(layer.digest);
    await mkdir(dirname(data), { recursive: true });
    await rename(path, data);
    return layer;
  }

  async #manifest(
    repository: string,
    content: { mediaType: string; [member: string]: unknown },
    tag?: string,
  ): Promise<Descriptor> {
    const descriptor = await this.#data(content.mediaType, content);
    const { digest } = descriptor;
    await this.#link(repository, `_manifests/revisions/${pathOf(digest)}/link`, digest);
    if (tag !== undefined) {
      await this.#link(repository, `_manifests/tags/${tag}/current/link`, digest);
      await this.#link(repository, `_manifests/tags/${tag}/index/${pathOf(digest)}/link`, digest);
    }
    return descriptor;
  }

  async #document(repository: string, mediaType: string, content: object): Promise<Descriptor> {
    const descriptor = await this.#data(mediaType, content);
    await this.#linkBlob(repository, descriptor);
    return descriptor;
  }

  async #data(mediaType: string, content: object): Promise<Descriptor> {
    const bytes = Buffer.from(JSON.stringify(content));
    const digest = digestOf(bytes);
    write(this.#dataOf(digest), bytes);
    return { mediaType, digest, size: bytes.length };
  }

  async #linkBlob(repository: string, { digest, size }: Pick<Descriptor, 'digest' | 'size'>): Promise<void> {
    this.#blobs.set(digest, size);
    await this.#link(repository, `_layers/${pathOf(digest)}/link`, digest);
  }

  async #link(repository: string, path: string, digest: string): Promise<void> {
    write(join(this.#root, 'repositories', repository, path), digest);
  }

  #dataOf(digest: string): string {
    const [algorithm = '', hex = ''] = digest.split(':');
    return join(this.#root, 'blobs', algorithm, hex.slice(0, 2), hex, 'data');
  }
}

/** The platform of what is no image to be run. */
export const unknown: Platform = { os: 'unknown', architecture: 'unknown' };

function pathOf(digest: string): string {
  return digest.replace(':', '/');
}

/** Writes synchronously, which takes half of the time for hundreds of small files. */
function write(path: string, content: string | Buffer): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
