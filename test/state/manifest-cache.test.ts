import { describe, expect, it } from '@jest/globals';
import type { Manifest } from '../../functions/oci/spec/manifest.ts';
import { parseManifest } from '../../functions/oci/spec/manifest.ts';
import { mediaTypes } from '../../functions/oci/spec/media-type.ts';
import { changeInventory, readInventory } from '../../functions/state/inventory.ts';
import { ManifestCache } from '../../functions/state/manifest-cache.ts';
import { MemoryStore } from './memory-store.ts';

function manifest(comment: string): Manifest {
  // Odd spacing: the bytes are what counts, not the JSON.
  const text = `{ "schemaVersion":2,  "mediaType":"${mediaTypes.ociIndex}","manifests":[], "annotations":{"c":"${comment}"}}`;
  return parseManifest(new TextEncoder().encode(text), mediaTypes.ociIndex);
}

describe('the manifest cache', () => {
  const never = async () => {
    throw new TypeError('fetched again');
  };

  it('fetches a manifest once, for later processes too, and returns its bytes unchanged', async () => {
    const store = new MemoryStore();
    const made = manifest('a');
    let fetched = 0;
    const fetch = async () => {
      fetched++;
      return made;
    };
    const cache = new ManifestCache(store);
    await cache.through(made.digest, fetch);
    await cache.through(made.digest, fetch);
    const later = await new ManifestCache(store).through(made.digest, never);
    expect(fetched).toBe(1);
    expect(Buffer.from(later.bytes).equals(made.bytes)).toBe(true);
    expect(later.digest).toBe(made.digest);
  });

  it.each([
    ['another manifest', (other: Uint8Array) => other],
    ['half a file', (other: Uint8Array) => other.slice(0, 40)],
    ['nothing', () => new Uint8Array()],
  ])('fetches a manifest again when the store holds %s, and replaces that', async (_, damage) => {
    const store = new MemoryStore();
    const [right, wrong] = [manifest('right'), manifest('wrong')];
    await new ManifestCache(store).put(wrong);
    const key = `manifests/${right.digest.replace(':', '-')}.json`;
    store.objects.set(key, damage([...store.objects.values()][0] as Uint8Array));
    const got = await new ManifestCache(store).through(right.digest, async () => right);
    expect(got.digest).toBe(right.digest);
    expect((await new ManifestCache(store).through(right.digest, never)).digest).toBe(right.digest);
  });

  it('does not keep what could not be fetched', async () => {
    const cache = new ManifestCache(new MemoryStore());
    const made = manifest('a');
    await expect(cache.through(made.digest, never)).rejects.toThrow('fetched again');
    expect(await cache.through(made.digest, async () => made)).toBe(made);
  });
});

describe('the inventory', () => {
  it('writes the inventory only when it changed', async () => {
    const store = new MemoryStore();
    const { digest } = manifest('a');
    expect(await readInventory(store)).toEqual({});
    await changeInventory(store, () => undefined);
    expect(store.puts).toBe(0);
    await changeInventory(store, (inventory) => (inventory['reg.example/a:1'] = digest));
    await changeInventory(store, (inventory) => (inventory['reg.example/a:1'] = digest));
    expect(store.puts).toBe(1);
    expect(await readInventory(store)).toEqual({ 'reg.example/a:1': digest });
  });
});
