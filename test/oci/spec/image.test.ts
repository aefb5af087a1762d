import { describe, expect, it } from '@jest/globals';
import { loadImage } from '../../../functions/oci/spec/image.ts';
import { type Manifest, manifestLimits } from '../../../functions/oci/spec/manifest.ts';
import { blob, config, descriptorOf, imageDocument, indexDocument, manifestOf, reader } from '../documents.ts';

const shared = blob('shared');
const amd64 = manifestOf(imageDocument([shared, blob('amd64')]));
const arm64 = manifestOf(imageDocument([shared, blob('arm64'), blob('arm64')]));
const attestation = manifestOf(imageDocument([blob('statement', 'application/vnd.in-toto+json')]));

function indexOf(...children: Manifest[]): Manifest {
  return manifestOf(indexDocument(children.map((child) => descriptorOf(child))));
}

async function load(root: Manifest, ...others: Manifest[]) {
  return loadImage(root, reader(...others).read);
}

/** Nested that deep, counted from the root. */
function tower(height: number): Manifest[] {
  const floors = [amd64];
  for (let i = 0; i < height; i++) floors.unshift(indexOf(floors[0] as Manifest));
  return floors;
}

describe('loadImage', () => {
  it('finds each blob of a manifest once', async () => {
    const image = await load(arm64);
    expect(image.manifests).toEqual([arm64]);
    expect(image.blobs).toEqual([config, shared, blob('arm64')]);
    expect(image.size).toBe(config.size + 'shared'.length + 'arm64'.length);
  });

  it('finds the children and attestations of an index, and shared blobs once', async () => {
    const root = indexOf(amd64, arm64, attestation);
    const image = await load(root, amd64, arm64, attestation);
    expect(image.root).toBe(root);
    expect(new Set(image.manifests)).toEqual(new Set([root, amd64, arm64, attestation]));
    expect(image.blobs.filter(({ digest }) => digest === shared.digest)).toHaveLength(1);
    expect(image.blobs).toHaveLength(5);
  });

  it('puts every manifest after what it refers to, the root last', async () => {
    const inner = indexOf(arm64, attestation);
    const root = indexOf(inner, amd64, indexOf(inner));
    const image = await load(root, amd64, arm64, attestation, inner, indexOf(inner));
    const place = new Map(image.manifests.map(({ digest }, i) => [digest, i]));
    for (const { digest, manifests } of image.manifests) {
      for (const child of manifests) expect(place.get(child.digest)).toBeLessThan(place.get(digest) as number);
    }
    expect(image.manifests.at(-1)).toBe(root);
    expect(image.manifests).toHaveLength(6);
  });

  it('reads a child that several indexes list once', async () => {
    const left = manifestOf(indexDocument([descriptorOf(amd64)], { annotations: { side: 'left' } }));
    const right = manifestOf(indexDocument([descriptorOf(amd64)], { annotations: { side: 'right' } }));
    const { read, reads } = reader(left, right, amd64);
    await loadImage(indexOf(left, right, amd64, amd64), read);
    expect(reads.toSorted()).toEqual([left.digest, right.digest, amd64.digest].toSorted());
  });

  it('reads an empty index', async () => {
    expect(await load(indexOf())).toMatchObject({ blobs: [], size: 0 });
  });

  it('throws the error of the read', async () => {
    await expect(load(indexOf(amd64))).rejects.toThrow(`no manifest ${amd64.digest}`);
  });

  it(`goes ${manifestLimits.depth} indexes deep and no deeper`, async () => {
    const [root, ...floors] = tower(manifestLimits.depth);
    expect((await load(root as Manifest, ...floors)).manifests).toHaveLength(manifestLimits.depth + 1);
    const [higher, ...below] = tower(manifestLimits.depth + 1);
    await expect(load(higher as Manifest, ...below)).rejects.toMatchObject({
      name: 'ManifestInvalid',
      message: expect.stringContaining('nested deeper'),
    });
  });

  it('reads no child of an index with too many', async () => {
    const children = Array.from({ length: manifestLimits.manifests }, (_, i) =>
      descriptorOf(amd64, { digest: blob(`${i}`).digest }),
    );
    const { read, reads } = reader();
    await expect(loadImage(manifestOf(indexDocument(children)), read)).rejects.toMatchObject({
      name: 'ManifestInvalid',
      message: expect.stringContaining(`more than ${manifestLimits.manifests} manifests`),
    });
    expect(reads).toEqual([]);
  });

  it('reads no child beyond the bytes that all manifests may have', async () => {
    const children = Array.from({ length: 100 }, (_, i) =>
      descriptorOf(amd64, { digest: blob(`${i}`).digest, size: manifestLimits.bytes }),
    );
    const { read, reads } = reader();
    await expect(loadImage(manifestOf(indexDocument(children)), read)).rejects.toMatchObject({
      name: 'ManifestInvalid',
      message: expect.stringContaining(`manifests of more than ${manifestLimits.allBytes} bytes`),
    });
    expect(reads.length).toBeLessThan(manifestLimits.allBytes / manifestLimits.bytes);
  });

  it('counts the manifests over all indexes', async () => {
    const many = (from: number) =>
      manifestOf(
        indexDocument(
          Array.from({ length: 1_200 }, (_, i) => descriptorOf(amd64, { digest: blob(`${from + i}`).digest })),
        ),
      );
    const [left, right] = [many(0), many(10_000)];
    const { read } = reader(left, right);
    const patient = async (digest: Parameters<typeof read>[0]) =>
      digest === left.digest || digest === right.digest ? read(digest) : amd64;
    await expect(loadImage(indexOf(left, right), patient)).rejects.toMatchObject({
      message: expect.stringContaining('manifests'),
    });
  });

  it('ends with indexes that multiply: each level lists the next twice', async () => {
    let level = [amd64];
    const all = [amd64];
    for (let depth = 0; depth < 7; depth++) {
      const children = Array.from({ length: 40 }, () => level.map((manifest) => descriptorOf(manifest))).flat();
      level = ['a', 'b'].map((side) => manifestOf(indexDocument(children, { annotations: { side } })));
      all.push(...level);
    }
    const { read, reads } = reader(...all);
    await expect(loadImage(level[0] as Manifest, read)).rejects.toMatchObject({ name: 'ManifestInvalid' });
    expect(reads.length).toBeLessThan(all.length);
  });

  it('counts the descriptors over all manifests', async () => {
    const layers = Array.from({ length: manifestLimits.descriptors / 2 }, () => shared);
    const [one, two] = ['1', '2'].map((n) => manifestOf(imageDocument(layers, { annotations: { n } }))) as [
      Manifest,
      Manifest,
    ];
    await expect(load(indexOf(one, two), one, two)).rejects.toMatchObject({
      message: expect.stringContaining('descriptors'),
    });
  });

  it.each([
    ['a manifest of another size', [descriptorOf(amd64, { size: 5 })], 'its index says 5'],
    ['two sizes of one manifest', [descriptorOf(amd64, { size: 5 }), descriptorOf(amd64)], 'its index says 5'],
    ['an image called an index', [descriptorOf(amd64, { mediaType: indexOf().mediaType })], 'its index says'],
  ])('refuses %s', async (_, children, message) => {
    await expect(load(manifestOf(indexDocument(children)), amd64)).rejects.toMatchObject({
      name: 'ManifestInvalid',
      message: expect.stringContaining(message),
    });
  });

  it('refuses two sizes of one blob', async () => {
    const liar = manifestOf(imageDocument([{ ...shared, size: 7 }]));
    await expect(load(indexOf(amd64, liar), amd64, liar)).rejects.toMatchObject({
      name: 'ManifestInvalid',
      message: expect.stringMatching(/6 bytes in one place and 7|7 bytes in one place and 6/),
    });
  });

  it('refuses a child of an unknown type, and escapes the type', async () => {
    const root = manifestOf(indexDocument([blob('x', `evil/\u001b[2J${'y'.repeat(9_000)}`)]));
    await expect(load(root)).rejects.toMatchObject({
      name: 'ManifestUnsupported',
      message: expect.stringMatching(/^[ -~…]{1,700}$/),
    });
  });
});
