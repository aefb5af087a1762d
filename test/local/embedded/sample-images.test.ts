import { gunzipSync } from 'node:zlib';
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startRegistry, type Registry } from '../../../infra/local/embedded/registry/server.ts';
import type { Image } from '../../../infra/local/embedded/registry/storage.ts';
import { pushSamples, sampleImage, sampleOf } from '../../../infra/local/embedded/sample-images.ts';
import { tar } from '../../../infra/local/embedded/tar.ts';
import { available } from '../../real-parts.ts';
import { Client, manifestType, sha256 } from './registry-client.ts';

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  platform?: Record<string, string>;
  annotations?: Record<string, string>;
}
interface Content {
  mediaType: string;
  config?: Descriptor;
  layers: Descriptor[];
  manifests: Descriptor[];
}

function content(image: Image | undefined): Content {
  const parsed = JSON.parse(image?.bytes.toString() ?? '{}') as Partial<Content>;
  return { mediaType: '', layers: [], manifests: [], ...parsed };
}

const options = { name: 'harness/ci-addon', tag: '1.0', layerBytes: 1000 };
const references = Array.from({ length: 36 }, (_, i) => `harness/part-${i}:1.${i}.0`);

function walk(image: Image): Image[] {
  return [image, ...image.children.flatMap(walk)];
}

describe('a sample image', () => {
  it('makes the same image for the same reference, and another for another revision, tag or name', () => {
    const digests = [
      options,
      { ...options, revision: 1 },
      { ...options, tag: '1.1' },
      { ...options, name: 'harness/other' },
    ].map((o) => sampleImage(o).digest);
    expect(new Set(digests).size).toBe(4);
    expect(sampleImage(options).digest).toBe(digests[0]);
  });

  it('has the layers that images of one base share and its own, slim or not', () => {
    const layersOf = (tag: string, slim: boolean) =>
      content(sampleImage({ ...options, tag, slim, platforms: [{ os: 'linux', architecture: 'amd64' }] })).layers;
    for (const [slim, layers, shared] of [
      [false, 4, 3],
      [true, 2, 1],
    ] as const) {
      const [one, other] = ['1.0', '1.1'].map((tag) => layersOf(tag, slim).map(({ digest }) => digest));
      expect(one).toHaveLength(layers);
      expect(one?.filter((digest) => other?.includes(digest))).toHaveLength(shared);
    }
  });

  it('writes manifests that match the blobs and manifests they point at', () => {
    for (const image of references.flatMap((reference) => walk(sampleOf(reference, { layerBytes: 500 })))) {
      expect(sha256(image.bytes)).toBe(image.digest);
      const { mediaType, config, layers, manifests } = content(image);
      expect(mediaType).toBe(image.mediaType);
      for (const { digest, size } of [config, ...layers].filter((d) => d !== undefined)) {
        expect(image.blobs.get(digest)?.length).toBe(size);
        expect(sha256(image.blobs.get(digest) ?? '')).toBe(digest);
      }
      expect(manifests.map(({ digest, size, mediaType: type }) => [digest, size, type])).toEqual(
        image.children.map((child) => [child.digest, child.bytes.length, child.mediaType]),
      );
    }
  });

  it('lists the uncompressed digests of layers in the config', () => {
    const [image] = sampleImage(options).children;
    const { config, layers } = content(image);
    const { rootfs } = JSON.parse(image?.blobs.get(config?.digest ?? '')?.toString() ?? '') as {
      rootfs: { diff_ids: string[] };
    };
    const diffIds = layers.map(({ digest }) => sha256(gunzipSync(image?.blobs.get(digest) ?? '')));
    expect(rootfs.diff_ids).toEqual(diffIds);
  });

  it('shares base layers with other images, and no layer with other platforms', () => {
    const layersOf = (image: Image | undefined) => content(image).layers.map(({ digest }) => digest);
    const [amd64, arm64] = sampleImage(options).children;
    const [other] = sampleImage({ ...options, name: 'harness/other' }).children;
    expect(layersOf(amd64).filter((digest) => layersOf(other).includes(digest)).length).toBe(2);
    expect(layersOf(amd64).filter((digest) => layersOf(arm64).includes(digest))).toEqual([]);
  });

  it('adds an attestation for each platform that names its subject', () => {
    const index = sampleImage({ ...options, attestations: true });
    const [amd64, , attestation] = content(index).manifests;
    expect(attestation?.platform).toEqual({ architecture: 'unknown', os: 'unknown' });
    expect(attestation?.annotations).toEqual({
      'vnd.docker.reference.type': 'attestation-manifest',
      'vnd.docker.reference.digest': amd64?.digest,
    });
  });
});

describe('the samples of many references', () => {
  const samples = references.map((reference) => sampleOf(reference, { layerBytes: 100 }));

  it('makes every shape of Harness images', () => {
    const indexes = samples.filter(({ children }) => children.length > 0);
    const platforms = indexes.flatMap((image) => content(image).manifests.map(({ platform }) => platform));
    expect(new Set(samples.map(({ mediaType }) => mediaType)).size).toBe(3);
    expect(platforms.some((platform) => platform?.['os.version'] !== undefined)).toBe(true);
    expect(platforms.some((platform) => platform?.os === 'unknown')).toBe(true);
    expect(samples.length).toBeGreaterThan(indexes.length);
  });

  it('makes samples of 20 to 40 MiB by default', () => {
    const blobs = new Map(references.flatMap((reference) => walk(sampleOf(reference)).flatMap((i) => [...i.blobs])));
    const size = [...blobs.values()].reduce((sum, blob) => sum + blob.length, 0);
    expect(size).toBeGreaterThan(20 * 1024 * 1024);
    expect(size).toBeLessThan(40 * 1024 * 1024);
  });
});

describe('pushing samples', () => {
  let registry: Registry;
  beforeAll(async () => {
    registry = await startRegistry();
  });
  afterAll(async () => {
    await registry.close();
  });

  it('makes them pullable', async () => {
    const [image] = pushSamples(registry, ['harness/ci-addon:1.18.22'], { layerBytes: 100 });
    const reply = await new Client(registry.host).send('GET', '/v2/harness/ci-addon/manifests/1.18.22');
    expect(reply.body).toEqual(image?.bytes);
    expect(reply.headers['docker-content-digest']).toBe(image?.digest);
  });

  it('moves a floating tag to another revision', () => {
    const push = (revision: number) =>
      pushSamples(registry, ['harness/floating:latest'], { layerBytes: 100, revision });
    push(0);
    const [second] = push(1);
    expect(registry.storage.resolve('harness/floating', 'latest')).toBe(second?.digest);
  });

  it('refuses a reference without a tag', () => {
    expect(() => pushSamples(registry, ['harness/ci-addon'])).toThrow(TypeError);
    expect(() => pushSamples(registry, ['host:5000/ci-addon'])).toThrow(TypeError);
  });

  it('takes one platform as a plain image', () => {
    const image = sampleImage({ ...options, platforms: [{ os: 'linux', architecture: 'amd64' }] });
    expect([image.mediaType, image.children]).toEqual([manifestType, []]);
  });
});

const hasTar = available('tar');
(hasTar ? describe : describe.skip)(`a tar archive${hasTar ? '' : ' (no tar on PATH)'}`, () => {
  it('makes layers that tar reads', () => {
    const archive = tar([
      { path: 'bin/app', content: Buffer.from('x'.repeat(513)), mode: 0o755 },
      { path: 'empty', content: Buffer.alloc(0) },
    ]);
    const listed = execFileSync('tar', ['-tvf', '-'], { input: archive }).toString();
    expect(listed).toMatch(/^-rwxr-xr-x 0\/0 +513 .* bin\/app\n-rw-r--r-- 0\/0 +0 .* empty\n$/);
    expect(execFileSync('tar', ['-xOf', '-', 'bin/app'], { input: archive }).toString()).toBe('x'.repeat(513));
  });

  it('refuses a path its header cannot hold', () => {
    expect(() => tar([{ path: 'x'.repeat(101), content: Buffer.alloc(0) }])).toThrow(RangeError);
  });
});
