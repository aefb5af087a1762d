import { beforeEach, describe, expect, it } from '@jest/globals';
import { BlobLedger } from '../../../functions/oci/copy/blob-ledger.ts';
import type { Digest } from '../../../functions/oci/spec/digest.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';
import { profileOf } from '../../../functions/oci/registry/profile.ts';
import { sampleImage } from '../../../infra/local/embedded/sample-images.ts';
import { connect, copy, count, errorOf, expectWhole, received } from '../connect.ts';
import { storedImage } from '../stored-images.ts';
import { destination, from, mirror, name, source, to, useTwoRegistries } from './two-registries.ts';

const image = storedImage([Buffer.from('one'), Buffer.from('two')]);
const index = sampleImage({ name, tag: '1', attestations: true, layerBytes: 64 });

useTwoRegistries();
beforeEach(() => {
  from.storage.putImage(name, '1', image);
  from.storage.putImage(name, 'index', index);
});

const rootPut = { method: 'PUT', path: /\/manifests\/(1|index)$/ };
const incomplete = { status: 404, body: '{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown"}]}' };

describe('a registry that misses something below a manifest', () => {
  it('uploads the blobs that the ledger was wrong about, and no others', async () => {
    const ledger = new BlobLedger();
    const [, lost = ''] = image.blobs.keys();
    ledger.record(lost as Digest, mirror);
    const totals = await copy(source, '1', destination, { ledger });
    expectWhole(to, mirror, image);
    expect(totals).toMatchObject({ confirmed: true });
    expect(received(to)).toBe([...image.blobs.values()].reduce((sum, { length }) => sum + length, 0));
    expect(count(to, 'HEAD')).toBe(image.blobs.size);
    expect(count(to, 'PUT', /manifests/)).toBe(2);
  });

  it('retries a registry that has everything but reports a gap, and sends nothing twice', async () => {
    to.faults.add({ match: { ...rootPut, times: 2 }, act: incomplete });
    await copy(source, '1', destination);
    expectWhole(to, mirror, image);
    expect([count(to, 'POST'), count(to, 'PUT', /manifests/)]).toEqual([image.blobs.size, 3]);
  });

  it('sends all blobs again when the registry does not name the missing ones', async () => {
    const profile = { ...profileOf('registry.acme.com'), headBlob: false };
    to.faults.add({ match: rootPut, act: incomplete });
    await copy(source, '1', new Repository(connect(to.host, { profile }), mirror));
    expectWhole(to, mirror, image);
    expect(count(to, 'POST')).toBe(2 * image.blobs.size);
  });

  it('pushes the child manifests that the registry lost', async () => {
    const child = index.children[0]?.digest ?? '';
    to.faults.add({ match: { method: 'PUT', path: new RegExp(`manifests/${child}`) }, act: { status: 201 } });
    await copy(source, 'index', destination);
    expectWhole(to, mirror, index);
    expect(to.storage.resolve(mirror, 'index')).toBe(index.digest);
  });

  it('gives up after three pushes when the registry still misses something', async () => {
    to.faults.add({ match: { ...rootPut, times: 99 }, act: incomplete });
    expect(await errorOf(copy(source, '1', destination))).toMatchObject({
      name: 'PushRefused',
      code: 'MANIFEST_BLOB_UNKNOWN',
    });
    expect(count(to, 'PUT', /manifests/)).toBe(3);
    expect(to.storage.tags(mirror)).toEqual([]);
  });

  it('does not wait for the registry when the copy is aborted', async () => {
    const controller = new AbortController();
    const retry = { attempts: 3, baseMs: 100_000_000, maxMs: 0 };
    const refused = to.faults.add({ match: { ...rootPut, times: 99 }, act: incomplete });
    const there = new Repository(connect(to.host, { retry }), mirror);
    const copying = errorOf(copy(source, '1', there, { signal: controller.signal }));
    while (refused.hits === 0) await new Promise(setImmediate);
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await copying).toBe(reason);
  });
});
