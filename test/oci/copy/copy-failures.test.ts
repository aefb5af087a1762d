import { beforeEach, describe, expect, it } from '@jest/globals';
import { BlobLedger } from '../../../functions/oci/copy/blob-ledger.ts';
import { getManifest, resolveTag } from '../../../functions/oci/registry/manifests.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';
import { type Profile, profileOf } from '../../../functions/oci/registry/profile.ts';
import type { Act, Fault } from '../../../infra/local/embedded/registry/faults.ts';
import { sampleImage } from '../../../infra/local/embedded/sample-images.ts';
import { connect, copy, count, errorOf, expectWhole, received } from '../connect.ts';
import { storedImage } from '../stored-images.ts';
import { from, mirror, name, source, to, useTwoRegistries } from './two-registries.ts';

const index = sampleImage({ name, tag: '1', attestations: true, layerBytes: 4096 });
/**
 * An image with a blob for PATCH and one for PUT, by the destination's profile. Both are larger than the buffers of
 * sockets.
 */
const large = storedImage([Buffer.alloc(9 * 1024 * 1024, 'large'), Buffer.alloc(2 * 1024 * 1024, 'medium')]);
const MiB = 1024 * 1024;

let destination: Repository;

useTwoRegistries();
beforeEach(() => {
  from.storage.putImage(name, 'index', index);
  from.storage.putImage(name, 'large', large);
  // Every blob is looked for.
  const profile: Profile = { ...profileOf(to.host), maxPut: 8 * MiB, mount: 'after-manifest' };
  destination = new Repository(connect(to.host, { profile }), mirror);
});

function expectNothingTagged(): void {
  expect(to.storage.tags(mirror)).toEqual([]);
}

const blobGet = { method: 'GET', path: /\/blobs\/sha256/ };

describe('a fault that passes', () => {
  const faults: [string, 'from' | 'to', Fault][] = [
    ['a reset in the middle of a pull', 'from', { match: blobGet, act: 'reset', afterBytes: MiB }],
    ['a pull that ends early', 'from', { match: blobGet, act: 'finish-early', afterBytes: MiB }],
    ['a pull cut short', 'from', { match: blobGet, act: 'truncate', afterBytes: MiB }],
    ['a corrupted pull', 'from', { match: blobGet, act: 'corrupt', afterBytes: MiB }],
    ['a 503 for a pull', 'from', { match: blobGet, act: { status: 503 } }],
    ['a 429 for a pull', 'from', { match: blobGet, act: { status: 429, headers: { 'retry-after': '0' } } }],
    ['a reset for a manifest', 'from', { match: { path: /manifests/ }, act: 'reset' }],
    [
      'a manifest that breaks off',
      'from',
      { match: { method: 'GET', path: /manifests/ }, act: 'finish-early', afterBytes: 9 },
    ],
    ['a 500 for a look', 'to', { match: { method: 'HEAD' }, act: { status: 500 } }],
    ['a 502 for an upload to be', 'to', { match: { method: 'POST' }, act: { status: 502 } }],
    [
      'a reset in the middle of a PUT',
      'to',
      { match: { method: 'PUT', path: /blobs/ }, act: 'reset', afterBytes: MiB },
    ],
    ['a reset in the middle of a PATCH', 'to', { match: { method: 'PATCH' }, act: 'reset', afterBytes: MiB }],
    [
      'a PATCH answered 503 before its end',
      'to',
      { match: { method: 'PATCH' }, act: { status: 503 }, afterBytes: MiB },
    ],
    ['a reset at the beginning of a PATCH', 'to', { match: { method: 'PATCH' }, act: 'reset', afterBytes: 0 }],
    ['a session that is lost', 'to', { match: { method: 'PATCH' }, act: lost() }],
    ['a session that is lost before its end', 'to', { match: { method: 'PUT', path: /blobs/, times: 2 }, act: lost() }],
    ['a 503 for a manifest', 'to', { match: { method: 'PUT', path: /manifests/ }, act: { status: 503 } }],
  ];

  it.each(faults)('survives %s', async (_, whose, fault) => {
    const registry = whose === 'from' ? from : to;
    registry.faults.add(fault);
    const totals = await copy(source, 'large', destination);
    expect(registry.faults.hits).toBeGreaterThan(0);
    expectWhole(to, mirror, large);
    expect(to.storage.resolve(mirror, 'large')).toBe(large.digest);
    // What a failed attempt moved is taken back.
    expect(totals.bytesTransferred).toBe([...large.blobs.values()].reduce((sum, { length }) => sum + length, 0));
  });

  function lost(): Act {
    return { status: 404, body: JSON.stringify({ errors: [{ code: 'BLOB_UPLOAD_UNKNOWN', message: 'gone' }] }) };
  }
});

describe('a fault that stays', () => {
  const always = { times: 9_999 };
  const faults: [string, 'from' | 'to', Fault, string][] = [
    [
      'a blob cut off',
      'from',
      { match: { ...blobGet, ...always }, act: 'reset', afterBytes: 10 },
      'RegistryUnreachable',
    ],
    [
      'a blob corrupted',
      'from',
      { match: { ...blobGet, ...always }, act: 'corrupt', afterBytes: 10 },
      'DigestMismatch',
    ],
    [
      'a blob cut short',
      'from',
      { match: { ...blobGet, ...always }, act: 'truncate', afterBytes: 10 },
      'DigestMismatch',
    ],
    ['a blob refused', 'from', { match: { ...blobGet, ...always }, act: { status: 403 } }, 'RegistryForbidden'],
    ['a blob missing', 'from', { match: { ...blobGet, ...always }, act: { status: 404 } }, 'ImageNotFound'],
    ['a blob throttled', 'from', { match: { ...blobGet, ...always }, act: { status: 429 } }, 'RegistryThrottled'],
    ['uploads refused', 'to', { match: { method: 'POST', ...always }, act: { status: 403 } }, 'RegistryForbidden'],
    [
      'uploads failing',
      'to',
      { match: { method: 'PUT', path: /blobs/, ...always }, act: { status: 500 } },
      'RegistryFailed',
    ],
    [
      'uploads cut off',
      'to',
      { match: { method: 'PUT', path: /blobs/, ...always }, act: 'reset' },
      'RegistryUnreachable',
    ],
    [
      'blobs too large',
      'to',
      { match: { method: 'PUT', path: /blobs/, ...always }, act: { status: 413 } },
      'PushRefused',
    ],
    [
      'a child refused',
      'to',
      { match: { method: 'PUT', path: /manifests.sha256/, ...always }, act: { status: 400 } },
      'PushRefused',
    ],
    [
      'children failing',
      'to',
      { match: { method: 'PUT', path: /manifests.sha256/, ...always }, act: { status: 500 } },
      'RegistryFailed',
    ],
    [
      'the index refused',
      'to',
      { match: { method: 'PUT', path: /manifests.index/, ...always }, act: { status: 400 } },
      'PushRefused',
    ],
  ];

  it.each(faults)('leaves nothing under the tag: %s', async (_, whose, fault, errorName) => {
    (whose === 'from' ? from : to).faults.add(fault);
    expect(await errorOf(copy(source, 'index', destination))).toMatchObject({ name: errorName });
    expectNothingTagged();
  });

  it('gives every upload session back', async () => {
    from.storage.putImage('harness/small', '1', storedImage([]));
    to.faults.add({ match: { method: 'PUT', path: /blobs/, ...always }, act: { status: 500 } });
    await errorOf(copy(new Repository(source.registry, 'harness/small'), '1', destination));
    const sessions = to.requests
      .filter(({ method, path }) => method === 'PUT' && path.includes('/uploads/'))
      .map(({ path }) => path);
    expect(sessions).toHaveLength(3);
    const cancelled = to.requests.filter(({ method, status }) => method === 'DELETE' && status === 204);
    expect(cancelled.map(({ path }) => path)).toEqual(sessions);
  });

  it('repeats a failed request no more often than allowed, although steps contain steps', async () => {
    from.faults.add({ match: { ...blobGet, ...always }, act: { status: 503 } });
    await errorOf(copy(source, 'large', destination));
    expect(count(from, 'GET', /\/blobs\//)).toBeLessThanOrEqual(3 * large.blobs.size);
  });

  it('ends the copy when a registry requires a longer pause than anyone waits', async () => {
    from.faults.add({
      match: { ...blobGet, ...always },
      act: { status: 429, headers: { 'retry-after': '999999999' } },
    });
    expect(await errorOf(copy(source, 'large', destination))).toMatchObject({
      name: 'RegistryThrottled',
      retryAfterMs: 999_999_999_000,
    });
    expect(count(from, 'GET', /\/blobs\//)).toBeLessThanOrEqual(large.blobs.size);
  });
});

describe('wrong content', () => {
  it.each([
    ['of the right size', 0],
    ['that is too short', -1],
    ['that is too long', 1],
  ])('never completes %s at the destination, by PUT or PATCH', async (_, more) => {
    for (const size of [3 * MiB, 9 * MiB]) {
      const image = storedImage([Buffer.alloc(size, 'right')]);
      const [, digest = ''] = image.blobs.keys();
      from.storage.putImage('harness/wrong', '1', image);
      from.storage.deleteBlob('harness/wrong', digest);
      from.storage.putBlob('harness/wrong', Buffer.alloc(size + more, 'wrong'), digest);
      to.requests.length = 0;
      const error = await errorOf(copy(new Repository(source.registry, 'harness/wrong'), '1', destination));
      expect(error).toMatchObject({ name: 'DigestMismatch', message: expect.stringContaining(digest) });
      expect(to.storage.blob(mirror, digest)).toBeUndefined();
      const uploads = to.requests.filter(({ method, bytesIn }) => /PUT|PATCH/.test(method) && bytesIn > 1000);
      for (const { bytesIn, status } of uploads) {
        expect(bytesIn).toBeLessThan(size);
        expect(status).not.toBe(201);
      }
      // An accident may happen once, and what ended early is asked to go on; the attempts are bounded.
      expect(count(from, 'GET', new RegExp(digest))).toBeLessThanOrEqual(6);
      from.storage.deleteBlob('harness/wrong', digest);
      from.requests.length = 0;
    }
    expectNothingTagged();
  });

  it('refuses a manifest with wrong content before it writes anything', async () => {
    from.faults.add({ match: { method: 'GET', path: /manifests.sha256/, times: 99 }, act: 'corrupt', afterBytes: 30 });
    expect(await errorOf(copy(source, 'index', destination))).toMatchObject({ name: 'DigestMismatch' });
    expect(to.requests).toEqual([]);
  });

  it('stops reading a response that is larger than any manifest', async () => {
    from.storage.putManifest(name, index.mediaType, Buffer.alloc(6 * MiB, ' '), `sha256:${'1'.repeat(64)}`);
    from.storage.tag(name, 'huge', `sha256:${'1'.repeat(64)}`);
    expect(await errorOf(getManifest(source, 'huge'))).toMatchObject({
      name: 'ManifestInvalid',
      message: expect.stringContaining('larger than 4 MiB'),
    });
    expect(count(from, 'GET')).toBe(1);
  });
});

describe('an aborted copy', () => {
  it.each([
    ['while a blob is pulled', 'from', { match: blobGet, act: 'stall', afterBytes: 100 }],
    ['while a blob is pushed', 'to', { match: { method: 'PATCH' }, act: 'stall', afterBytes: 100 }],
    ['while the registry thinks', 'to', { match: { method: 'HEAD' }, act: 'stall' }],
    ['while the root is pushed', 'to', { match: { method: 'PUT', path: /manifests/ }, act: 'stall' }],
  ] as const)('ends with the reason of the signal and leaves no tag: %s', async (_, whose, fault) => {
    const controller = new AbortController();
    const registry = whose === 'from' ? from : to;
    const planned = registry.faults.add(fault);
    const copying = errorOf(copy(source, 'large', destination, { signal: controller.signal }));
    while (planned.hits === 0) await new Promise(setImmediate);
    const reason = new Error('the user wants to go home');
    controller.abort(reason);
    expect(await copying).toBe(reason);
    expectNothingTagged();
  });

  it('does not wait for the copy of the same blob by another image', async () => {
    const ledger = new BlobLedger();
    const stalled = from.faults.add({ match: { ...blobGet, times: 3 }, act: 'stall', afterBytes: 100 });
    const [first, second] = [new AbortController(), new AbortController()];
    const holding = errorOf(copy(source, 'large', destination, { ledger, signal: first.signal }));
    while (stalled.hits === 0) await new Promise(setImmediate);
    const other = new Repository(destination.registry, 'mirror/other');
    const waiting = errorOf(copy(source, 'large', other, { ledger, signal: second.signal }));
    while (count(from, 'GET', /manifests.large/) < 2) await new Promise(setImmediate);
    second.abort(new Error('second'));
    expect((await waiting).message).toBe('second');
    first.abort(new Error('first'));
    expect((await holding).message).toBe('first');
  });

  it('does not start after an abort', async () => {
    const aborted = AbortSignal.abort(new Error('before'));
    expect((await errorOf(copy(source, 'large', destination, { signal: aborted }))).message).toBe('before');
    expect(to.requests).toEqual([]);
  });
});

describe('a registry that leaves things out', () => {
  it('reads the digest by GET when HEAD does not return it', async () => {
    from.quirks.noContentDigest = true;
    expect(await resolveTag(source, 'index')).toBe(index.digest);
    await copy(source, 'index', destination);
    expectWhole(to, mirror, index);
  });

  it('gives no Location to upload to: that is its failure', async () => {
    to.faults.add({ match: { method: 'POST', times: 99 }, act: { status: 202 } });
    expect(await errorOf(copy(source, 'index', destination))).toMatchObject({
      name: 'RegistryFailed',
      message: expect.stringContaining('without a Location'),
    });
    expect(received(to)).toBe(0);
  });

  it('sends uploads to an unusable Location: nothing is sent there', async () => {
    to.faults.add({
      match: { method: 'POST', times: 99 },
      act: { status: 202, headers: { location: 'file:///etc/passwd' } },
    });
    expect(await errorOf(copy(source, 'index', destination))).toMatchObject({ name: 'RegistryFailed' });
    expect(received(to)).toBe(0);
  });
});
