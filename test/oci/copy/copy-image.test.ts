import { beforeEach, describe, expect, it } from '@jest/globals';
import { BlobLedger } from '../../../functions/oci/copy/blob-ledger.ts';
import { type CopyProgress, copyImage } from '../../../functions/oci/copy/copy-image.ts';
import { loadImage } from '../../../functions/oci/spec/image.ts';
import { deleteManifest, getManifest, resolveTag } from '../../../functions/oci/registry/manifests.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';
import type { Digest } from '../../../functions/oci/spec/digest.ts';
import { parsePlatform } from '../../../functions/oci/spec/platform.ts';
import { filterPlatforms } from '../../../functions/oci/spec/platform-filter.ts';
import { profileOf } from '../../../functions/oci/registry/profile.ts';
import { listTags } from '../../../functions/oci/registry/tags.ts';
import { profile } from '../../../infra/local/embedded/registry/profiles.ts';
import type { Quirks } from '../../../infra/local/embedded/registry/quirks.ts';
import { sampleImage } from '../../../infra/local/embedded/sample-images.ts';
import { connect, copy, count, errorOf, expectWhole, received } from '../connect.ts';
import { artifact, indexOf, storedImage } from '../stored-images.ts';
import { destination, from, mirror, name, source, to, useTwoRegistries } from './two-registries.ts';

useTwoRegistries();

const layerBytes = 4096;
const amd64 = [{ os: 'linux', architecture: 'amd64' }];
const index = sampleImage({ name, tag: '1', attestations: true, layerBytes });
const single = sampleImage({ name, tag: '1', platforms: amd64, layerBytes });
const dockerSingle = sampleImage({ name, tag: '1', platforms: amd64, docker: true, layerBytes });
const dockerList = sampleImage({ name, tag: '1', docker: true, layerBytes });
/** Above what is sent with one PUT. */
const large = storedImage([Buffer.alloc(9 * 1024 * 1024, 'large'), Buffer.from('small')]);

const at = (repository: string): Repository => new Repository(destination.registry, repository);

describe('a copy', () => {
  const nested = indexOf([indexOf([single], { annotations: { level: '2' } }), dockerList], {
    annotations: { level: '1' },
  });
  it.each([
    ['an OCI image', single],
    ['an OCI index with attestations', index],
    ['a Docker schema 2 image', dockerSingle],
    ['a Docker manifest list', dockerList],
    ['an index of indexes', nested],
    ['an image with a zero-length blob', storedImage([Buffer.alloc(0), Buffer.from('x')])],
    ['an image with a layer twice', storedImage([Buffer.from('twice'), Buffer.from('twice')])],
    ['an image without layers', storedImage([])],
    ['a layer too large for one PUT', large],
    ['an artifact with an empty config', artifact('application/spdx+json', Buffer.from('sbom'))],
    ['an artifact with a subject', artifact('application/spdx+json', Buffer.from('sbom'), single)],
    ['an artifact of the withdrawn kind', storedImage([Buffer.from('x')], { withdrawn: true })],
    ['a manifest without a type of its own', storedImage([Buffer.from('x')], { untyped: true })],
    ['blobs named by sha512', storedImage([Buffer.from('x'), Buffer.from('y')], { algorithm: 'sha512' })],
  ])('copies %s byte for byte', async (_, image) => {
    from.storage.putImage(name, '1', image);
    await copy(source, '1', destination);
    expect(to.storage.resolve(mirror, '1')).toBe(image.digest);
    expectWhole(to, mirror, image);
  });

  it('reports the transferred bytes exactly, also while it runs', async () => {
    from.storage.putImage(name, '1', index);
    const events: CopyProgress[] = [];
    const totals = await copy(source, '1', destination, { onProgress: (event) => events.push(event) });
    const sum = (kind: string) => events.filter((e) => e.kind === kind).reduce((n, { bytes }) => n + bytes, 0);
    expect(totals).toMatchObject({ bytesTransferred: received(to), bytesSkipped: 0 });
    expect([sum('transferred'), sum('skipped')]).toEqual([totals.bytesTransferred, 0]);
  });

  it('finds an image without a tag by its digest', async () => {
    from.storage.putImage(name, '1', index);
    await copy(source, '1', destination, { tag: undefined });
    expect(to.storage.tags(mirror)).toEqual([]);
    expectWhole(to, mirror, index);
  });

  it('needs no more requests than the specification requires', async () => {
    from.storage.putImage(name, '1', single);
    await copy(source, '1', destination);
    const blobs = single.blobs.size;
    expect([count(from, 'GET', /manifests/), count(from, 'GET', /blobs/)]).toEqual([1, blobs]);
    expect([count(to, 'HEAD'), count(to, 'POST'), count(to, 'PUT', /blobs/), count(to, 'PUT', /manifests/)]).toEqual([
      0,
      blobs,
      blobs,
      1,
    ]);
  });

  it('pushes nothing that the destination already has', async () => {
    from.storage.putImage(name, '1', index);
    await copy(source, '1', destination);
    to.requests.length = 0;
    from.requests.length = 0;
    const totals = await copy(source, '1', destination);
    expect([received(to), totals.bytesTransferred, count(from, 'GET', /blobs/), to.uploads.size]).toEqual([0, 0, 0, 0]);
    expect(totals.bytesSkipped).toBeGreaterThan(layerBytes);
  });

  it('copies only what a partly copied image lacks', async () => {
    from.storage.putImage(name, '1', single);
    const [digest = '', content = Buffer.alloc(0)] = [...single.blobs][1] ?? [];
    to.storage.putBlob(mirror, content, digest);
    const totals = await copy(source, '1', destination);
    expect(totals.bytesSkipped).toBe(content.length);
    expect(received(to)).toBe(totals.bytesTransferred);
    expectWhole(to, mirror, single);
  });

  it('puts children before their index, and the index under its tag last', async () => {
    from.storage.putImage(name, '1', nested);
    await copy(source, '1', destination);
    const puts = to.requests.filter(({ method, path }) => method === 'PUT' && path.includes('/manifests/'));
    expect(puts.map(({ status }) => status)).toEqual(puts.map(() => 201));
    expect(puts.at(-1)?.path).toBe(`/v2/${mirror}/manifests/1`);
    expect(puts.filter(({ path }) => !path.includes('sha256:'))).toHaveLength(1);
    expect(to.requests.at(-1)).toBe(puts.at(-1));
  });

  it('copies a filtered index completely, with the attestation about the platforms left out', async () => {
    from.storage.putImage(name, '1', index);
    const root = filterPlatforms(await getManifest(source, '1'), [parsePlatform('linux/arm64')]);
    const image = await loadImage(root, (digest) => getManifest(source, digest));
    await copyImage(source, destination, { image, tag: '1' });
    expect(to.storage.resolve(mirror, '1')).toBe(root.digest);
    expect(to.storage.manifests(mirror)).toHaveLength(3);
    expectWhole(to, mirror, index.children[1] as typeof index);
  });

  it('leaves an image that can be listed and deleted', async () => {
    from.storage.putImage(name, '1', single);
    to.quirks.maxPageSize = 1;
    await copy(source, '1', destination);
    await copy(source, '1', destination, { tag: '2' });
    expect(await listTags(destination)).toEqual(['1', '2']);
    const { digest } = await getManifest(destination, '1');
    await deleteManifest(destination, digest);
    await deleteManifest(destination, digest);
    expect(await resolveTag(destination, '1')).toBeUndefined();
    expect(await listTags(at('unknown/repository'))).toBeUndefined();
  });
});

describe('blobs that images share', () => {
  const images = ['a', 'b', 'c', 'd'].map((tag) => sampleImage({ name: `harness/${tag}`, tag, layerBytes }));
  const unique = new Map(images.flatMap(({ children }) => children.flatMap(({ blobs }) => [...blobs])));
  const uniqueBytes = [...unique.values()].reduce((sum, { length }) => sum + length, 0);

  async function copyAll(ledger: BlobLedger): Promise<void> {
    await Promise.all(
      images.map(async (image, i) => {
        from.storage.putImage(`harness/${i}`, '1', image);
        await copy(new Repository(source.registry, `harness/${i}`), '1', at(`mirror/${i}`), { ledger });
      }),
    );
    images.forEach((image, i) => expectWhole(to, `mirror/${i}`, image));
  }

  it('move once per run, however many images are copied at once', async () => {
    await copyAll(new BlobLedger());
    expect(received(to)).toBe(uniqueBytes);
    expect(
      to.requests.filter(({ query, status }) => query.includes('mount=') && status === 201).length,
    ).toBeGreaterThan(0);
  });

  it.each<[string, Quirks]>([
    ['does not mount', { mount: 'no' }],
    ['mounts only what a manifest refers to', { mount: 'afterManifest' }],
    ['refuses mounts with 401, as Harbor and GitLab do', { mount: 'unauthorizedFrom' }],
  ])('arrive all the same at a registry that %s', async (_, quirks) => {
    Object.assign(to.quirks, quirks);
    await copyAll(new BlobLedger());
    const ledger = new BlobLedger();
    for (const digest of unique.keys()) ledger.expect(digest as never, 'elsewhere/gone');
    await copy(new Repository(source.registry, 'harness/0'), '1', at('mirror/again'), { ledger });
    expectWhole(to, 'mirror/again', images[0] as (typeof images)[0]);
  });

  it('does not assume that expected blobs exist', async () => {
    from.storage.putImage(name, '1', single);
    const ledger = new BlobLedger();
    for (const digest of single.blobs.keys()) ledger.expect(digest as never, mirror);
    await copy(source, '1', destination, { ledger });
    expectWhole(to, mirror, single);
  });

  it('mounts shared blobs only once a manifest names them, where the profile says so', async () => {
    Object.assign(to.quirks, profile('ecr'), { createRepositories: true, redirectBlobs: undefined });
    const registry = connect(to.host, { profile: { ...profileOf('1.dkr.ecr.eu-west-1.amazonaws.com') } });
    const ledger = new BlobLedger();
    from.storage.putImage(name, '1', single);
    await copy(source, '1', new Repository(registry, mirror), { ledger });
    await copy(source, '1', new Repository(registry, 'mirror/second'), { ledger });
    const mounts = to.requests.filter(({ path, query }) => path.includes('/second/') && query.includes('mount='));
    expect(mounts.map(({ status }) => status)).toEqual([...single.blobs].map(() => 201));
    expectWhole(to, 'mirror/second', single);
  });

  it('ends the copy after a bounded number of attempts when a registry never accepts a blob', async () => {
    from.storage.putImage(name, '1', single);
    to.faults.add({ match: { method: 'POST', times: 999 }, act: { status: 503 } });
    const error = await errorOf(copy(source, '1', destination));
    expect(error).toMatchObject({ name: 'RegistryFailed', status: 503 });
    // Three attempts per blob: an outer retry must not multiply the inner one.
    expect(count(to, 'POST')).toBeLessThanOrEqual(3 * single.blobs.size);
  });
});

describe('an immutable tag', () => {
  beforeEach(() => from.storage.putImage(name, '1', single));

  it('accepts a refused push when the tag holds the digest already', async () => {
    await copy(source, '1', destination);
    to.faults.add({ match: { method: 'PUT', path: /manifests\/1$/ }, act: immutable });
    await copy(source, '1', destination);
    expect(to.faults.hits).toBe(1);
  });

  it('fails with PushRefused when an immutable tag holds another digest', async () => {
    to.quirks.immutableTags = {};
    to.storage.putImage(mirror, '1', dockerSingle);
    expect(await errorOf(copy(source, '1', destination))).toMatchObject({
      name: 'PushRefused',
      code: 'ImageTagAlreadyExists',
      hint: expect.stringContaining('immutable'),
    });
    expect(to.storage.resolve(mirror, '1')).toBe(dockerSingle.digest);
  });

  it('reports the refusal when the state of the tag cannot be read either', async () => {
    to.faults.add({ match: { method: 'PUT', path: /manifests\/1$/ }, act: immutable });
    to.faults.add({ match: { method: 'HEAD', path: /manifests\/1$/ }, act: { status: 403 } });
    expect(await errorOf(copy(source, '1', destination))).toMatchObject({ name: 'PushRefused' });
  });

  const immutable = {
    status: 400,
    body: JSON.stringify({ errors: [{ code: 'ImageTagAlreadyExists', message: 'the tag is immutable' }] }),
  };
});

describe('a layer that may be left at its URLs', () => {
  const type = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';
  const urls = ['https://mcr.example.com/layer'];

  it('leaves a foreign layer at its URLs when the source does not serve it', async () => {
    const image = storedImage([Buffer.from('base'), Buffer.from('own')], { foreign: { type, urls } });
    const [, foreign = ''] = image.blobs.keys();
    from.storage.putImage(name, '1', image);
    from.storage.deleteBlob(name, foreign);
    const totals = await copy(source, '1', destination);
    expect(totals.bytesSkipped).toBe('base'.length);
    expect(to.storage.resolve(mirror, '1')).toBe(image.digest);
    expect(to.storage.blob(mirror, foreign)).toBeUndefined();
    expect(to.storage.manifest(mirror, '1')?.bytes.equals(image.bytes)).toBe(true);
  });

  it('does not count on a layer that was left at its URLs when another image has it as an ordinary one', async () => {
    const image = storedImage([Buffer.from('base'), Buffer.from('own')], { foreign: { type, urls } });
    const [own = '', foreign = ''] = image.blobs.keys();
    from.storage.putImage(name, '1', image);
    from.storage.deleteBlob(name, foreign);
    const ledger = new BlobLedger();
    await copy(source, '1', destination, { ledger });
    expect([own, foreign].map((digest) => ledger.holder(digest as Digest))).toEqual([mirror, undefined]);
  });

  it('copies a foreign layer when the source serves it', async () => {
    const image = storedImage([Buffer.from('base')], { foreign: { type, urls } });
    from.storage.putImage(name, '1', image);
    await copy(source, '1', destination);
    expectWhole(to, mirror, image);
  });

  it.each([
    ['has no URLs', { type, urls: [] }],
    ['is of an ordinary type', { type: 'application/vnd.oci.image.layer.v1.tar', urls }],
  ])('reports a missing layer when it %s', async (_, foreign) => {
    const image = storedImage([Buffer.from('base')], { foreign });
    from.storage.putImage(name, '1', image);
    from.storage.deleteBlob(name, [...image.blobs.keys()][1] ?? '');
    expect(await errorOf(copy(source, '1', destination))).toMatchObject({ name: 'ImageNotFound' });
    expect(to.storage.resolve(mirror, '1')).toBeUndefined();
  });
});
