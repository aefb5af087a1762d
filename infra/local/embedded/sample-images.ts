import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { digestOf } from './registry/reference.ts';
import type { Image, Storage } from './registry/storage.ts';
import { tar } from './tar.ts';

interface Platform {
  os: string;
  architecture: string;
  'os.version'?: string;
}

export interface SampleImageOptions {
  /** `namespace/name` */
  name: string;
  tag: string;
  /** Another revision of the same reference has another digest, as a floating tag's has after a push. Default 0. */
  revision?: number;
  /** Default linux/amd64 and linux/arm64. One platform gives a plain image unless `index` is true. */
  platforms?: readonly Platform[];
  /** Default: whether there are several platforms. */
  index?: boolean;
  /** Docker schema 2 media types instead of OCI's, default false. */
  docker?: boolean;
  /** Adds for each platform the attestation child that buildx pushes, default false. */
  attestations?: boolean;
  /** Images of one base share its layers, default `alpine`. */
  base?: string;
  /**
   * Size of the image's own layers in bytes, before gzip, which saves nothing: the content is random. Default 256 KiB.
   */
  layerBytes?: number;
  /** Makes two layers instead of four, the base and what changes with each release. Default false. */
  slim?: boolean;
}

export type PushSamplesOptions = Pick<SampleImageOptions, 'layerBytes' | 'revision' | 'platforms' | 'slim'>;

/** A blob, hashed once for all images that have it. */
interface Blob {
  digest: string;
  bytes: Buffer;
}

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

const linux: readonly Platform[] = [
  { os: 'linux', architecture: 'amd64' },
  { os: 'linux', architecture: 'arm64' },
];
const windows: Platform = { os: 'windows', architecture: 'amd64', 'os.version': '10.0.20348.2655' };

const oci = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
};
const docker: typeof oci = {
  index: 'application/vnd.docker.distribution.manifest.list.v2+json',
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
};
const defaultLayerBytes = 256 * 1024;

/** A made-up image, the same for the same options: valid manifests, configs, and layers of gzip'd tar. */
export function sampleImage(options: SampleImageOptions): Image {
  const platforms = options.platforms ?? linux;
  const images = platforms.map((platform) => platformImage(options, platform));
  const [only] = images;
  if (only && !(options.index ?? images.length > 1)) return only;
  const types = options.docker ? docker : oci;
  const described = images.map((image, i) => ({ ...descriptorOf(image), platform: platforms[i] }));
  const attestations = options.attestations ? images.map((image) => attestation(options, image)) : [];
  const attested = attestations.map((image, i) => ({
    ...descriptorOf(image),
    platform: { architecture: 'unknown', os: 'unknown' },
    annotations: {
      'vnd.docker.reference.type': 'attestation-manifest',
      'vnd.docker.reference.digest': images[i]?.digest,
    },
  }));
  const index = { schemaVersion: 2, mediaType: types.index, manifests: [...described, ...attested] };
  return image(index, types.index, [], [...images, ...attestations]);
}

/**
 * The sample of a reference such as `harness/ci-addon:1.18.22`. Its shape follows from the name, so that a set of them
 * has every shape that Harness's own images have: indexes with and without Windows, with and without attestations,
 * Docker manifest lists, and single-platform images.
 */
export function sampleOf(reference: string, options: PushSamplesOptions = {}): Image {
  const { name, tag } = splitReference(reference);
  const shapes: Partial<SampleImageOptions>[] = [
    {},
    { attestations: true },
    { docker: true },
    { platforms: [...linux, windows] },
    { docker: true, platforms: linux.slice(0, 1) },
    { base: 'ubi' },
  ];
  const rootless = /rootless|windows/.test(name) ? { platforms: [...linux, windows] } : {};
  return sampleImage({ name, tag, ...shapes[seedNumber(name) % shapes.length], ...rootless, ...options });
}

/**
 * Puts the sample of each reference into a registry's storage, without HTTP, below `prefix` if there is one: the same
 * image at each place. With the default sizes 35 images make 20 to 40 MiB.
 */
export function pushSamples(
  registry: { storage: Storage },
  references: readonly string[],
  { prefix = '', ...options }: PushSamplesOptions & { prefix?: string } = {},
): Image[] {
  return references.map((reference) => {
    const { name, tag } = splitReference(reference);
    const sample = sampleOf(reference, options);
    registry.storage.putImage(prefix === '' ? name : `${prefix}/${name}`, tag, sample);
    return sample;
  });
}

function platformImage(options: SampleImageOptions, platform: Platform): Image {
  const { name, tag, revision = 0, base = 'alpine', layerBytes = defaultLayerBytes, slim = false } = options;
  const types = options.docker ? docker : oci;
  const place = `${platform.os}/${platform.architecture}`;
  // The application's layer is the larger; what changes with each release is smaller than what stays.
  const layers = [
    layer(`base/${base}/${place}`, layerBytes * 2),
    ...(slim
      ? []
      : [
          layer(`tools/${base}/${place}`, Math.ceil(layerBytes / 2)),
          layer(`${name}/${place}`, Math.ceil(layerBytes / 4)),
        ]),
    layer(`${name}:${tag}/${revision}/${place}`, layerBytes),
  ];
  const config = Buffer.from(
    JSON.stringify({
      ...platform,
      created: '2024-01-01T00:00:00Z',
      config: { Entrypoint: ['/app'], Labels: { 'org.opencontainers.image.version': tag } },
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
      history: layers.map(() => ({ created: '2024-01-01T00:00:00Z', created_by: 'COPY . /' })),
    }),
  );
  return manifest(
    types,
    config,
    layers.map(({ blob }) => blob),
    types.layer,
  );
}

/** Returns the image that buildx pushes beside each platform: an in-toto statement as the only layer. */
function attestation(options: SampleImageOptions, subject: Image): Image {
  const statement = JSON.stringify({
    _type: 'https://in-toto.io/Statement/v0.1',
    predicateType: 'https://slsa.dev/provenance/v0.2',
    subject: [{ name: options.name, digest: { sha256: subject.digest.slice('sha256:'.length) } }],
    predicate: {},
  });
  const config = JSON.stringify({
    architecture: 'unknown',
    os: 'unknown',
    config: {},
    rootfs: { type: 'layers', diff_ids: [digestOf([Buffer.from(statement)])] },
  });
  return manifest(oci, Buffer.from(config), [blobOf(Buffer.from(statement))], 'application/vnd.in-toto+json');
}

function manifest(types: typeof oci, config: Buffer, layers: readonly Blob[], layerType: string): Image {
  const configBlob = blobOf(config);
  const content = {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: blobDescriptor(types.config, configBlob),
    layers: layers.map((blob) => blobDescriptor(layerType, blob)),
  };
  return image(content, types.manifest, [configBlob, ...layers], []);
}

function image(content: object, mediaType: string, blobs: readonly Blob[], children: readonly Image[]): Image {
  const bytes = Buffer.from(JSON.stringify(content, null, 2));
  return {
    digest: digestOf([bytes]),
    mediaType,
    bytes,
    children,
    blobs: new Map(blobs.map((blob) => [blob.digest, blob.bytes])),
  };
}

// Base layers recur in every image; a run of samples makes each once.
const layers = new Map<string, { blob: Blob; diffId: string }>();

function layer(seed: string, bytes: number): { blob: Blob; diffId: string } {
  const key = `${seed} ${bytes}`;
  let made = layers.get(key);
  if (!made) {
    const path = `opt/${digestOf([Buffer.from(key)]).slice(7, 19)}/data`;
    const archive = tar([{ path, content: randomBytes(key, bytes), mode: 0o755 }]);
    // Random bytes do not shrink: storing them is as good, and fast.
    made = { blob: blobOf(gzipSync(archive, { level: 0 })), diffId: digestOf([archive]) };
    layers.set(key, made);
  }
  return made;
}

/** Bytes that look random and depend on the seed only. */
function randomBytes(seed: string, length: number): Buffer {
  return createHash('shake256', { outputLength: length }).update(seed).digest();
}

function seedNumber(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE();
}

function splitReference(reference: string): { name: string; tag: string } {
  const colon = reference.lastIndexOf(':');
  if (colon <= reference.lastIndexOf('/')) throw new TypeError(`reference without a tag: ${reference}`);
  return { name: reference.slice(0, colon), tag: reference.slice(colon + 1) };
}

function descriptorOf({ mediaType, digest, bytes }: Image): Descriptor {
  return { mediaType, digest, size: bytes.length };
}

function blobOf(bytes: Buffer): Blob {
  return { digest: digestOf([bytes]), bytes };
}

function blobDescriptor(mediaType: string, { digest, bytes }: Blob): Descriptor {
  return { mediaType, digest, size: bytes.length };
}
