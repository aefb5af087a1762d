import { describe, expect, it } from '@jest/globals';
import { digestOf } from '../../functions/oci/spec/digest.ts';
import { soakingImages } from '../../functions/plan/soak.ts';
import { MemoryStore } from '../state/memory-store.ts';

const day = (n: number) => new Date(Date.UTC(2026, 0, n, 12));
const seen = (image: string, content = image) => ({ image, sourceDigest: digestOf(Buffer.from(content)) });

async function documentOf(store: MemoryStore): Promise<unknown> {
  const body = await store.get('first-seen.json');
  return body && JSON.parse(Buffer.from(body).toString());
}

describe('soaking', () => {
  it('counts the days since an image was first seen, not last', async () => {
    const store = new MemoryStore();
    expect([...(await soakingImages(store, [seen('a:1')], 3, day(1)))]).toEqual([['a:1', '2026-01-04']]);
    expect([...(await soakingImages(store, [seen('a:1'), seen('a:2')], 3, day(3)))]).toEqual([
      ['a:1', '2026-01-04'],
      ['a:2', '2026-01-06'],
    ]);
    expect([...(await soakingImages(store, [seen('a:1'), seen('a:2')], 3, day(4)))]).toEqual([['a:2', '2026-01-06']]);
  });

  it('records first sightings even in runs that do not wait, for those that do', async () => {
    const store = new MemoryStore();
    expect((await soakingImages(store, [seen('a:1')], 0, day(1))).size).toBe(0);
    expect((await soakingImages(store, [seen('a:1')], 3, day(5))).size).toBe(0);
    expect(await documentOf(store)).toEqual({
      version: 1,
      images: { [`a:1@${seen('a:1').sourceDigest}`]: day(1).toISOString() },
    });
  });

  it('starts over for a tag that moved, and continues for one that moved back', async () => {
    const store = new MemoryStore();
    await soakingImages(store, [seen('a:latest', 'old')], 3, day(1));
    expect([...(await soakingImages(store, [seen('a:latest', 'new')], 3, day(10)))]).toEqual([
      ['a:latest', '2026-01-13'],
    ]);
    expect((await soakingImages(store, [seen('a:latest', 'old')], 3, day(11))).size).toBe(0);
  });

  it('does not start the clock for an image that no source has', async () => {
    const store = new MemoryStore();
    expect((await soakingImages(store, [{ image: 'a:1' }], 3, day(1))).size).toBe(0);
    expect(await documentOf(store)).toBeUndefined();
  });
});
