import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { FactoryError } from '../../functions/errors.ts';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { Repository } from '../../functions/oci/registry/repository.ts';
import { ManifestCache } from '../../functions/state/manifest-cache.ts';
import { describePieces, unrepaired } from '../../functions/images/pieces.ts';
import { Wholeness } from '../../functions/images/wholeness.ts';
import type { Piece } from '../../functions/oci/spec/image.ts';
import { type Registry as EmbeddedRegistry, startRegistry } from '../../infra/local/embedded/registry/server.ts';
import { connect, count, disconnect } from '../oci/connect.ts';
import { indexOf, storedImage } from '../oci/stored-images.ts';
import { MemoryStore } from '../state/memory-store.ts';
import { parseReference } from '../../functions/oci/spec/reference.ts';

const name = 'mirror/cache';
const [amd, arm] = ['amd', 'arm'].map((own) => storedImage([Buffer.from('base'), Buffer.from(own)])) as [
  ReturnType<typeof storedImage>,
  ReturnType<typeof storedImage>,
];
const image = indexOf([amd, arm]);
const root = image.digest as Digest;
const blobs = [...new Set([...amd.blobs.keys(), ...arm.blobs.keys()])];
const last = [...arm.blobs].at(-1) as [Digest, Buffer];
const lastBlob: Piece = { kind: 'blob', digest: last[0], size: last[1].length };
const child = (of: { digest: string }): Piece => ({ kind: 'manifest', digest: of.digest as Digest });

let registry: EmbeddedRegistry;
let client: Repository['registry'];
let repository: Repository;
let cache: ManifestCache;
let wholeness: Wholeness;
beforeAll(async () => {
  registry = await startRegistry();
  client = connect(registry.host);
  repository = new Repository(client, name);
});
beforeEach(() => {
  for (const each of registry.storage.repositories()) registry.storage.deleteRepository(each);
  registry.faults.clear();
  registry.storage.putImage(name, '1', image);
  registry.requests.length = 0;
  cache = new ManifestCache(new MemoryStore());
  wholeness = new Wholeness({ manifests: cache });
});
afterAll(async () => {
  await disconnect();
  await registry.close();
});

const missing = (only?: Piece['kind'], digest = root) => wholeness.missing({ repository, digest }, { only });

/** The same, of a run that read the manifests before they went missing. */
async function missingLater(damage: () => unknown, only?: Piece['kind']): Promise<readonly Piece[]> {
  await missing();
  damage();
  wholeness = new Wholeness({ manifests: cache });
  return missing(only);
}

describe('the pieces that a repository lacks', () => {
  it('finds no missing piece of a complete image, and looks up each piece once by HEAD', async () => {
    expect(await missing()).toEqual([]);
    expect(await missing()).toEqual([]);
    expect([count(registry, 'HEAD', /\/manifests\//), count(registry, 'HEAD', /\/blobs\//)]).toEqual([2, blobs.length]);
    expect(count(registry, 'GET')).toBe(3);
  });

  it('looks up pieces in each repository', async () => {
    registry.storage.putImage('mirror/other', '1', image);
    registry.storage.deleteBlob('mirror/other', last[0]);
    expect(await missing()).toEqual([]);
    const other = new Repository(client, 'mirror/other');
    expect(await wholeness.missing({ repository: other, digest: root })).toEqual([lastBlob]);
  });

  it('names missing manifests and blobs', async () => {
    const damage = () => {
      registry.storage.deleteManifest(name, arm.digest);
      registry.storage.deleteBlob(name, last[0]);
    };
    expect(await missingLater(damage)).toEqual([child(arm), lastBlob]);
    for (const [only, piece] of [
      ['manifest', child(arm)],
      ['blob', lastBlob],
    ] as const) {
      registry.requests.length = 0;
      wholeness = new Wholeness({ manifests: cache });
      expect(await missing(only)).toEqual([piece]);
      const other = only === 'blob' ? /\/manifests\// : /\/blobs\//;
      expect(count(registry, 'HEAD', other)).toBe(0);
    }
  });

  it('counts a manifest as missing that the registry serves under another digest', async () => {
    const headers = { 'docker-content-digest': amd.digest };
    const damage = () =>
      registry.faults.add({ match: { method: 'HEAD', path: new RegExp(arm.digest) }, act: { status: 200, headers } });
    expect(await missingLater(damage)).toEqual([child(arm)]);
  });

  it('counts an unreadable platform as missing, but not the pieces below it', async () => {
    registry.storage.deleteManifest(name, arm.digest);
    registry.storage.deleteBlob(name, last[0]);
    expect(await missing()).toEqual([child(arm)]);
  });

  it('counts a platform as missing whose manifest was damaged in storage', async () => {
    registry.storage.putManifest(name, arm.mediaType, Buffer.from('{}'), arm.digest);
    expect(await missing()).toEqual([child(arm)]);
  });

  it('counts only the root as missing when it cannot be read', async () => {
    registry.storage.deleteManifest(name, root);
    expect(await missing()).toEqual([child(image)]);
  });

  it('throws when the registry fails', async () => {
    registry.faults.add({ match: { method: 'GET', times: 9 }, act: { status: 503 } });
    await expect(missing()).rejects.toMatchObject({ name: 'RegistryFailed' });
  });

  const type = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';
  it.each([
    ['not a layer that is left at its own addresses', { type, urls: ['https://mcr.example/layer'] }, 0],
    ['a layer of that type without addresses', { type, urls: [] }, 1],
    ['an ordinary layer with addresses', { type: 'application/vnd.oci.image.layer.v1.tar', urls: ['https://x'] }, 1],
  ])('lists foreign layers: %s', async (_, foreign, expected) => {
    const windows = storedImage([Buffer.from('windows')], { foreign });
    registry.storage.putImage(name, '2', windows);
    registry.storage.deleteBlob(name, [...windows.blobs.keys()].at(-1) ?? '');
    expect(await missing(undefined, windows.digest as Digest)).toHaveLength(expected);
  });
});

describe('a source', () => {
  it('serves pieces when it has all of them, and needs no right to push', async () => {
    expect(await wholeness.serves(repository, [child(arm), lastBlob])).toBe(true);
    expect(await wholeness.serves(repository, [child(arm), lastBlob])).toBe(true);
    expect(registry.requests.map(({ method }) => method).toSorted()).toEqual(['GET', 'HEAD']);
  });

  it.each([
    ['a blob', () => registry.storage.deleteBlob(name, last[0])],
    ['a manifest', () => registry.storage.deleteManifest(name, arm.digest)],
  ])('does not serve pieces when it lacks %s', async (_, damage) => {
    damage();
    expect(await wholeness.serves(repository, [child(amd), child(arm), lastBlob])).toBe(false);
  });
});

describe('a message about missing pieces', () => {
  const pieces = (length: number) =>
    Array.from({ length }, (_, i): Piece => ({ kind: 'blob', digest: `sha256:${i}` as Digest, size: i }));

  it('names eight, and counts the rest', () => {
    const eight =
      'blob sha256:0, blob sha256:1, blob sha256:2, blob sha256:3, blob sha256:4, blob sha256:5, blob sha256:6, blob sha256:7';
    expect(describePieces([child(arm)])).toBe(`manifest ${arm.digest}`);
    expect(describePieces(pieces(8))).toBe(eight);
    expect(describePieces(pieces(9))).toBe(`${eight} and 1 more`);
    expect(describePieces(pieces(11))).toBe(`${eight} and 3 more`);
  });

  it('names the pieces that could not be copied again, and keeps the name and the hint of the failure', () => {
    const failure = new FactoryError('RegistryThrottled', 'HTTP 429', { hint: 'Wait.' });
    expect(unrepaired({ target: parseReference('reg.example/a:1'), missing: [child(arm)] }, failure)).toMatchObject({
      name: 'RegistryThrottled',
      message: `reg.example/a:1 lacks manifest ${arm.digest}, which could not be copied again: HTTP 429`,
      hint: 'Wait.',
      cause: failure,
    });
  });
});
