import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { FactoryError } from '../../../functions/errors.ts';
import { BlobLedger } from '../../../functions/oci/copy/blob-ledger.ts';
import { type BlobCopy, copyBlob, type CopyProgress, restoreBlob } from '../../../functions/oci/copy/copy-blob.ts';
import { digestOf } from '../../../functions/oci/spec/digest.ts';
import type { Descriptor } from '../../../functions/oci/spec/manifest.ts';
import { type Profile, profileOf } from '../../../functions/oci/registry/profile.ts';
import { type Registry as EmbeddedRegistry, startRegistry } from '../../../infra/local/embedded/registry/server.ts';
import { connect, disconnect, errorOf } from '../connect.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';

/** Tests of the choices before a transfer: ledger, HEAD, mount or upload. */

const name = 'mirror/cache';
const content = Buffer.from('a layer');
const blob: Descriptor = {
  mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
  digest: digestOf(content),
  size: content.length,
};
/** Size from which a HEAD request costs little beside an upload. */
const large = 64 * 1024 * 1024;
const foreign = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';

let registry: EmbeddedRegistry;
let ledger: BlobLedger;
let events: CopyProgress[];
/** The repository that each upload asked to mount from. */
let sent: string[];
beforeAll(async () => {
  registry = await startRegistry();
});
beforeEach(() => {
  ledger = new BlobLedger();
  [events, sent] = [[], []];
  for (const repository of registry.storage.repositories()) registry.storage.deleteRepository(repository);
  registry.requests.length = 0;
});
afterAll(async () => {
  await disconnect();
  await registry.close();
});

function to(profile: Partial<Profile> = {}, more: Partial<BlobCopy> = {}): BlobCopy {
  const client = connect(registry.host, { profile: { ...profileOf('registry.example.com'), ...profile } });
  return {
    source: new Repository(client, 'source'),
    destination: new Repository(client, name),
    ledger,
    send: async ({ mountFrom }) => {
      sent.push(mountFrom ?? 'none');
      return 'uploaded';
    },
    onProgress: (event) => events.push(event),
    ...more,
  };
}

const failing = (failure: Error) => ({ send: () => Promise.reject(failure) });
const looks = () => registry.requests.map(({ method }) => method).join(' ');
const present = () => registry.storage.putBlob(name, content);

describe('a blob that the ledger saw at the destination', () => {
  beforeEach(() => ledger.record(blob.digest, name));

  it('skips a blob in the ledger without a request', async () => {
    expect(await copyBlob(to(), blob)).toBe('skipped');
    expect([sent, looks(), events]).toEqual([[], '', [{ kind: 'skipped', bytes: blob.size }]]);
  });

  it('looks up a blob in the ledger in a repair, and uploads it without a mount when it is gone', async () => {
    expect(await copyBlob(to({}, { repair: true }), blob)).toBe('uploaded');
    expect([sent, looks()]).toEqual([['none'], 'HEAD GET']);
  });

  it('skips a blob in a repair when the destination has it', async () => {
    present();
    expect(await copyBlob(to({}, { repair: true }), blob)).toBe('skipped');
    expect([sent, looks()]).toEqual([[], 'HEAD']);
  });
});

describe('a look at the destination', () => {
  it.each<[string, number, Partial<Profile>, Partial<BlobCopy>, string]>([
    ['is spared where a mount says as much', large - 1, {}, {}, ''],
    ['is made for a large blob', large, {}, {}, 'HEAD'],
    ['is made where mounts take more than the blob', 7, { mount: 'after-manifest' }, {}, 'HEAD'],
    ['is made where nothing is mounted', 7, { mount: 'never' }, {}, 'HEAD'],
    ['is not made in a new repository', large, { mount: 'never' }, { fresh: true }, ''],
    ['is not made where the registry refuses it', large, { mount: 'never', headBlob: false }, {}, ''],
  ])('a HEAD request %s', async (_, size, profile, more, expected) => {
    expect(await copyBlob(to(profile, more), { ...blob, size })).toBe('uploaded');
    expect(looks()).toBe(expected);
  });

  it('sends no HEAD for a large blob that another repository holds', async () => {
    ledger.record(blob.digest, 'mirror/other');
    await copyBlob(to(), { ...blob, size: large });
    expect([looks(), sent]).toEqual(['', ['mirror/other']]);
  });

  it('finds the blob, which is skipped, and noted', async () => {
    present();
    expect(await copyBlob(to({ mount: 'never' }), blob)).toBe('skipped');
    expect([sent, ledger.knows(blob.digest, name)]).toEqual([[], true]);
    expect(events).toEqual([{ kind: 'skipped', bytes: blob.size }]);
  });
});

describe('a mount', () => {
  it.each<[string, number, Partial<Profile>, string | undefined, string]>([
    ['is asked for from the repository itself where nothing was looked up', 7, {}, undefined, name],
    ['is not asked for from the repository itself after a look', large, {}, undefined, 'none'],
    ['is asked for from the holder', 7, {}, 'mirror/other', 'mirror/other'],
    ['is asked for from the holder after a look, too', 7, { mount: 'after-manifest' }, 'mirror/other', 'mirror/other'],
    ['is asked for from the repository itself that is to bring the blob', 7, {}, name, name],
    ['is not asked for from it after a look', 7, { mount: 'after-manifest' }, name, 'none'],
    ['is not asked for where nothing is mounted', 7, { mount: 'never' }, 'mirror/other', 'none'],
  ])('a mount %s', async (_, size, profile, holder, expected) => {
    if (holder !== undefined) ledger.expect(blob.digest, holder);
    await copyBlob(to(profile), { ...blob, size });
    expect(sent).toEqual([expected]);
  });

  it('moves no bytes', async () => {
    const mounted = { send: async () => 'mounted' as const };
    expect(await copyBlob(to({}, mounted), blob)).toBe('skipped');
    expect(events).toEqual([{ kind: 'skipped', bytes: blob.size }]);
    expect(ledger.knows(blob.digest, name)).toBe(true);
  });
});

describe('an upload', () => {
  it('counts the bytes that pass', async () => {
    const send: BlobCopy['send'] = async ({ onBytes }) => {
      onBytes?.(7);
      return 'uploaded';
    };
    expect(await copyBlob(to({}, { send }), blob)).toBe('uploaded');
    expect(events).toEqual([{ kind: 'transferred', bytes: 7 }]);
  });

  it.each([
    ['makes the blob one to mount from', 'immediate', true],
    ['makes no blob to mount from where a manifest must refer to it first', 'after-manifest', false],
  ] as const)('an upload %s', async (_, mount, known) => {
    await copyBlob(to({ mount }), blob);
    expect(ledger.knows(blob.digest, name)).toBe(known);
  });

  it('happens once, however many images need the blob at the same time', async () => {
    const copy = to();
    expect(await Promise.all([copyBlob(copy, blob), copyBlob(copy, blob)])).toEqual(['uploaded', 'skipped']);
    expect(sent).toHaveLength(1);
  });
});

describe('a blob that the source lacks', () => {
  const notFound = new FactoryError('ImageNotFound', 'not there', { hint: '' });
  const urls = ['https://mcr.example/layer'];

  it('leaves a foreign layer at the URLs in its descriptor, and mounts nothing', async () => {
    const layer = { ...blob, mediaType: foreign, urls };
    expect(await copyBlob(to({}, failing(notFound)), layer)).toBe('skipped');
    expect([events, ledger.knows(blob.digest, name)]).toEqual([[{ kind: 'skipped', bytes: blob.size }], false]);
  });

  it.each<[string, Partial<Descriptor>, Error]>([
    ['it has no addresses', { mediaType: foreign }, notFound],
    ['it has a list without addresses', { mediaType: foreign, urls: [] }, notFound],
    ['it is an ordinary layer', { urls }, notFound],
    ['the failure is another', { mediaType: foreign, urls }, new FactoryError('RegistryFailed', '503', { hint: '' })],
    ['the failure is a bug', { mediaType: foreign, urls }, new TypeError('bug')],
  ])('fails the copy when %s', async (_, more, error) => {
    expect(await errorOf(copyBlob(to({}, failing(error)), { ...blob, ...more }))).toBe(error);
  });
});

describe('a blob that a manifest misses', () => {
  it('uploads a missing blob without a mount', async () => {
    ledger.record(blob.digest, 'mirror/other');
    await restoreBlob(to(), blob);
    expect([sent, looks()]).toEqual([['none'], 'HEAD']);
  });

  it('does not upload a blob that the registry has by now', async () => {
    present();
    await restoreBlob(to(), blob);
    expect([sent, looks()]).toEqual([[], 'HEAD']);
  });
});
