import { describe, expect, it } from '@jest/globals';
import { soakingImages } from '../../functions/plan/soak.ts';
import { getJson, type ObjectStore } from '../../functions/store/object-store.ts';

function memoryStore(): ObjectStore {
  const objects = new Map<string, Uint8Array>();
  return {
    get: async (key) => objects.get(key),
    put: async (key, body) => void objects.set(key, body),
    list: async () => [...objects.keys()],
  };
}

const day = (n: number) => new Date(Date.UTC(2026, 0, n, 12));

describe('soaking', () => {
  it('lasts the days asked for since an image was first seen, not since it was last', async () => {
    const store = memoryStore();
    expect([...(await soakingImages(store, ['a:1'], 3, day(1)))]).toEqual([['a:1', '2026-01-04']]);
    expect([...(await soakingImages(store, ['a:1', 'a:2'], 3, day(3)))]).toEqual([
      ['a:1', '2026-01-04'],
      ['a:2', '2026-01-06'],
    ]);
    expect([...(await soakingImages(store, ['a:1', 'a:2'], 3, day(4)))]).toEqual([['a:2', '2026-01-06']]);
  });

  it('is noted by runs that do not wait, for those that will', async () => {
    const store = memoryStore();
    expect((await soakingImages(store, ['a:1'], 0, day(1))).size).toBe(0);
    expect((await soakingImages(store, ['a:1'], 3, day(5))).size).toBe(0);
    expect(await getJson(store, 'first-seen.json')).toEqual({ 'a:1': day(1).toISOString() });
  });
});
