import { beforeEach, describe, expect, it } from '@jest/globals';
import { BlobLedger } from '../../../functions/oci/copy/blob-ledger.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';
import { type Profile, profileOf } from '../../../functions/oci/registry/profile.ts';
import { sampleImage } from '../../../infra/local/embedded/sample-images.ts';
import { connect, copy, count, errorOf, expectWhole, received } from '../connect.ts';
import { indexOf, storedImage } from '../stored-images.ts';
import { from, mirror, name, to, useTwoRegistries } from './two-registries.ts';

const MiB = 1024 * 1024;
const config = 1;
const image = storedImage([Buffer.alloc(MiB, 'one'), Buffer.alloc(900_000, 'two'), Buffer.from('small')]);
/** Two large layers, so that two uploads meet what the registry does not take. */
const large = storedImage([Buffer.alloc(13 * MiB, 'one'), Buffer.alloc(12 * MiB, 'two'), Buffer.from('small')]);
const later = storedImage([Buffer.alloc(11 * MiB, 'later')]);
const size = [...image.blobs.values()].reduce((sum, { length }) => sum + length, 0);

let notes: string[];
useTwoRegistries();
beforeEach(() => {
  notes = [];
});

function destination(profile: Partial<Profile> = {}): Repository {
  const options = {
    profile: { ...profileOf('registry.acme.com'), ...profile },
    onNote: (note: string) => void notes.push(note),
  };
  return new Repository(connect(to.host, options), mirror);
}

async function send(there: Repository, sent = image, more: Parameters<typeof copy>[3] = {}) {
  from.storage.putImage(name, '1', sent);
  const totals = await copy(new Repository(connect(from.host), name), '1', there, more);
  expectWhole(to, there.name, sent);
  expect(to.uploads.size).toBe(0);
  return totals;
}

/** Sizes of the bodies that blobs were sent in and that the registry took, the larger first. */
function taken(method: string): number[] {
  return to.requests
    .filter((r) => r.method === method && r.path.includes('/uploads/') && r.status < 300 && r.bytesIn > 0)
    .map(({ bytesIn }) => bytesIn)
    .toSorted((a, b) => b - a);
}

const requests = () => to.requests.length;

describe('a copy to an empty repository', () => {
  it('takes two requests for each blob and one for each manifest', async () => {
    await send(destination(), storedImage(['a', 'b', 'c', 'd', 'e'].map((layer) => Buffer.from(layer))));
    expect(requests()).toBe(2 * (5 + config) + 1);
  });

  it('sends no further requests for an index with attestations', async () => {
    const platforms = ['amd64', 'arm64', 's390x', 'ppc64le'].map((architecture) => ({ os: 'linux', architecture }));
    const index = sampleImage({ name, tag: '1', platforms, attestations: true, layerBytes: 64 });
    const blobs = new Set(index.children.flatMap(({ blobs }) => [...blobs.keys()]));
    await send(destination(), index);
    expect(requests()).toBe(2 * blobs.size + index.children.length + 1);
  });

  it('copies 24 blobs in 8 manifests and an index with 57 requests', async () => {
    const children = Array.from({ length: 8 }, (_, i) =>
      storedImage([Buffer.from(`a${i}`), Buffer.from(`b${i}`), ...(i === 0 ? [] : [Buffer.from(`c${i}`)])]),
    );
    await send(destination(), indexOf(children));
    expect(new Set(children.flatMap(({ blobs }) => [...blobs.keys()])).size).toBe(24);
    expect(requests()).toBe(57);
  });

  it('sends blobs of every size by POST and PUT', async () => {
    await send(destination(), large);
    expect(taken('PUT')).toEqual([...large.blobs.values()].map(({ length }) => length).toSorted((a, b) => b - a));
    expect(count(to, 'PATCH')).toBe(0);
  });

  it('does not look up the tag again, unless the registry does not confirm its digest', async () => {
    expect(await send(destination())).toMatchObject({ confirmed: true });
    to.quirks.noContentDigest = true;
    expect(await send(destination(), storedImage([Buffer.from('later')]))).toMatchObject({ confirmed: false });
  });
});

describe('a copy to a repository in use', () => {
  it('finds out what is there as it begins the upload', async () => {
    await send(destination());
    to.requests.length = 0;
    expect(await send(destination(), image, {})).toMatchObject({ bytesTransferred: 0, bytesSkipped: size });
    expect([count(to, 'HEAD'), count(to, 'POST'), received(to)]).toEqual([0, image.blobs.size, 0]);
  });

  it('looks for a blob that is too large to find out so, should the registry not mount from the repository itself', async () => {
    const huge = storedImage([Buffer.alloc(64 * MiB)]);
    await send(destination(), huge);
    to.quirks.mount = 'no';
    to.requests.length = 0;
    await send(destination(), huge, {});
    expect([count(to, 'HEAD'), received(to) < MiB]).toEqual([1, true]);
  });

  it('looks for every blob where mounts take more than the blob', async () => {
    const there = destination({ mount: 'after-manifest' });
    await send(there);
    to.requests.length = 0;
    expect(await send(there, image, {})).toMatchObject({ bytesTransferred: 0, bytesSkipped: size });
    expect([count(to, 'HEAD'), count(to, 'POST'), received(to)]).toEqual([image.blobs.size, 0, 0]);
  });

  it('sends no HEAD where a mount will be granted', async () => {
    const ledger = new BlobLedger();
    await send(new Repository(destination().registry, 'mirror/first'), image, { ledger });
    to.requests.length = 0;
    expect(await send(destination(), image, { ledger })).toMatchObject({ bytesTransferred: 0 });
    expect([count(to, 'HEAD'), count(to, 'POST')]).toEqual([0, image.blobs.size]);
  });

  it('sends no HEAD that the registry does not support', async () => {
    to.quirks.blobHeadUnauthorized = true;
    await send(destination({ headBlob: false, mount: 'never' }), image, {});
    expect(count(to, 'HEAD')).toBe(0);
  });

  it('requests no mounts from a registry that grants none, except to see what another repository holds', async () => {
    Object.assign(to.quirks, { mount: 'no', sharedBlobs: true });
    const ledger = new BlobLedger();
    const never = destination({ mount: 'never' });
    await send(new Repository(never.registry, 'mirror/first'), image, { ledger });
    to.requests.length = 0;
    await copy(new Repository(connect(from.host), name), '1', never, { ledger });
    expect([count(to, 'HEAD'), count(to, 'POST'), received(to)]).toEqual([image.blobs.size, 0, 0]);
  });
});

describe('another upload method after a refusal, from then on', () => {
  it('PUT of many bytes (413): PATCH', async () => {
    to.quirks.maxPutBytes = 10 * MiB;
    const there = destination();
    await send(there, large);
    expect(taken('PATCH')).toEqual([13 * MiB, 12 * MiB]);
    expect(notes).toEqual([expect.stringMatching(/by put \(HTTP 413\).*by patch from now on$/)]);
    to.requests.length = 0;
    await send(there, later);
    expect(to.requests.filter(({ status }) => status >= 400)).toEqual([]);
    expect(taken('PATCH')).toEqual([11 * MiB]);
  });

  it('PUT of any bytes (404): PATCH, for small blobs too', async () => {
    to.quirks.postPutNotFound = true;
    const there = destination();
    await send(there, large);
    expect(taken('PUT')).toEqual([]);
    to.requests.length = 0;
    await send(there, storedImage([Buffer.from('x')]));
    expect(to.requests.filter(({ status }) => status >= 400)).toEqual([]);
  });

  it.each([400, 413, 416])('a streamed PATCH (%d): chunks of 4 MiB', async (status) => {
    to.faults.add({ match: { method: 'PATCH', times: 2 }, act: { status } });
    await send(destination({ maxPut: 8 * MiB }), large);
    expect(taken('PATCH')).toEqual([...Array<number>(6).fill(4 * MiB), MiB]);
    expect(notes).toEqual([expect.stringMatching(/by patch .*by chunk from now on$/)]);
  });

  it('chunks, at Artifact Registry (400): PUT', async () => {
    Object.assign(to.quirks, { noChunked: true, patchStatus: 204 });
    await send(destination({ maxPut: 0, large: 'chunk' }), large);
    expect(taken('PATCH')).toEqual([]);
    expect(notes).toHaveLength(1);
  });

  it('PATCH of any kind (405): PUT', async () => {
    to.faults.add({ match: { method: 'PATCH', times: 99 }, act: { status: 405 } });
    await send(destination({ maxPut: 8 * MiB }), large);
    expect(taken('PUT').slice(0, 2)).toEqual([13 * MiB, 12 * MiB]);
  });

  it('chunks of more than 4 MiB (416), although the host is not known as GHCR', async () => {
    to.quirks.maxChunkBytes = 4 * MiB;
    to.faults.add({ match: { method: 'PATCH', times: 2 }, act: { status: 413 } });
    await send(destination({ maxPut: 8 * MiB }), large);
    expect(Math.max(...taken('PATCH'))).toBe(4 * MiB);
  });

  it('reports a refusal by every method, after one attempt of each', async () => {
    from.storage.putImage(name, '1', later);
    for (const method of ['PUT', 'PATCH']) {
      to.faults.add({ match: { method, path: /blobs/, times: 99 }, act: { status: 413 } });
    }
    const source = new Repository(connect(from.host), name);
    expect(await errorOf(copy(source, '1', destination()))).toMatchObject({ status: 413 });
    expect(count(to, 'PUT') + count(to, 'PATCH')).toBeLessThanOrEqual(3 * later.blobs.size);
    expect(to.uploads.size).toBe(0);
  });

  it('a refusal that is not about the way is final', async () => {
    from.storage.putImage(name, '1', later);
    const body = '{"errors":[{"code":"DENIED","message":"quota exceeded"}]}';
    to.faults.add({ match: { method: 'PUT', path: /blobs/, times: 99 }, act: { status: 413, body } });
    const source = new Repository(connect(from.host), name);
    expect(await errorOf(copy(source, '1', destination()))).toMatchObject({ code: 'DENIED' });
    expect([count(to, 'PATCH'), notes.length]).toEqual([0, 0]);
  });
});

describe('an upload in chunks', () => {
  it('sends chunks of the sizes that the registry requires', async () => {
    Object.assign(to.quirks, { minChunkBytes: 5 * MiB, maxChunkBytes: 6 * MiB, announceMaxChunk: true });
    await send(destination({ chunkBytes: 4 * MiB }), large);
    expect(taken('PATCH')).toEqual([5 * MiB, 5 * MiB, 5 * MiB, 5 * MiB, 3 * MiB, 2 * MiB]);
    to.requests.length = 0;
    await send(new Repository(destination({ chunkBytes: 8 * MiB }).registry, 'mirror/other'), later);
    expect(taken('PATCH')).toEqual([6 * MiB, 5 * MiB]);
  });

  it.each([
    ['a largest chunk of one byte', { 'oci-chunk-max-length': '1' }],
    ['a smallest chunk larger than any memory', { 'oci-chunk-min-length': String(2 ** 49) }],
    ['sizes that are no numbers', { 'oci-chunk-min-length': '-1', 'oci-chunk-max-length': '1e3' }],
  ])('takes no orders that make no sense: %s', async (_, headers) => {
    const session = to.uploads.begin(mirror);
    const location = `/v2/${mirror}/blobs/uploads/${session.id}`;
    to.faults.add({ match: { method: 'POST' }, act: { status: 202, headers: { location, ...headers } } });
    const one = storedImage([Buffer.alloc(MiB, 'one')]);
    await send(destination({ large: 'chunk', maxPut: 1_000 }), one);
    expect(taken('PATCH')).toEqual([MiB]);
  });

  it('states the position of each chunk as the specification requires', async () => {
    await send(destination({ maxPut: MiB, large: 'chunk', chunkBytes: 4 * MiB }), later);
    const ranges = to.requests.filter(({ method }) => method === 'PATCH').map((r) => r.headers['content-range']);
    expect(ranges).toEqual([`0-${4 * MiB - 1}`, `${4 * MiB}-${8 * MiB - 1}`, `${8 * MiB}-${11 * MiB - 1}`]);
  });

  it("continues at the registry's position when a connection breaks within a chunk", async () => {
    to.faults.add({ match: { method: 'PATCH', skip: 1 }, act: 'reset', afterBytes: MiB });
    const { bytesTransferred } = await send(destination({ maxPut: MiB, large: 'chunk', chunkBytes: 4 * MiB }), later);
    expect(to.faults.hits).toBe(1);
    expect(count(from, 'GET', /blobs/)).toBe(later.blobs.size);
    expect(received(to)).toBeLessThanOrEqual(bytesTransferred + 4 * MiB);
    expect(count(to, 'GET', /uploads/)).toBe(1);
  });

  it('starts over, in one piece, where a registry does not report its position', async () => {
    to.faults.add({ match: { method: 'PATCH', skip: 1 }, act: 'reset', afterBytes: MiB });
    to.faults.add({ match: { method: 'GET', path: /uploads/ }, act: { status: 405 } });
    await send(destination({ maxPut: MiB, large: 'chunk', chunkBytes: 4 * MiB }), later);
    expect(to.faults.hits).toBe(2);
    expect(taken('PUT')).toContain(11 * MiB);
  });

  it('starts over, in one piece, where a registry reports a wrong position', async () => {
    to.quirks.frozenRange = true;
    to.faults.add({ match: { method: 'PATCH', skip: 1 }, act: 'reset', afterBytes: MiB });
    await send(destination({ maxPut: MiB, large: 'chunk', chunkBytes: 4 * MiB, rangeTrusted: false }), later);
    expect(taken('PUT')).toContain(11 * MiB);
  });
});

describe('a retry', () => {
  it('moves nothing when the registry had stored what it failed to confirm', async () => {
    const [, content = Buffer.alloc(0)] = [...later.blobs.values()];
    to.storage.putBlob(mirror, content);
    to.faults.add({ match: { method: 'PUT', path: /blobs/, times: 2 }, act: { status: 503 } });
    const there = destination();
    const { bytesSkipped } = await send(there, later);
    expect(bytesSkipped).toBe(content.length);
    // From the repository itself, which is no mount to speak of.
    expect(there.registry.limits.counts().mounts).toBe(0);
  });

  it('follows a body that was spoilt on its way to the registry', async () => {
    to.faults.add({ match: { method: 'PUT', path: /blobs/ }, act: 'corrupt', afterBytes: 9 * MiB });
    await send(destination(), later);
    expect(to.faults.hits).toBe(1);
  });
});
