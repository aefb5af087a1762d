import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { fileCarrier } from '../../functions/bundle/file-carrier.ts';
import { planBundle } from '../../functions/bundle/plan-bundle.ts';
import { verifyBundle } from '../../functions/bundle/verify-bundle.ts';
import { writeTar } from '../../functions/bundle/write-tar.ts';
import type { Source } from '../../functions/oci/registry/source.ts';
import { folder, joined, planSamples, samples, toBundle, useSamples, withBlobs } from './sample-bundle.ts';
import { MemoryCarrier } from './memory-carrier.ts';

useSamples();
const checkpointBytes = 100_000;
/** The tar of all samples, written without any trouble. */
let right: Buffer;
beforeAll(async () => {
  await writeTar(await planSamples(), fileCarrier(join(folder, 'right.tar')));
  right = await joined('right.tar');
});

/** Counts the bytes that a plan's sources serve, and may spoil a blob the first time or always. */
async function watchedPlan({ spoil, times = 1 }: { spoil?: (size: number) => boolean; times?: number } = {}) {
  const read = { bytes: 0 };
  const spoiled = new Map<string, number>();
  const wrap = (source: Source) =>
    withBlobs(source, async function* (blob, options) {
      const before = spoiled.get(blob.digest) ?? 0;
      const wrong = (spoil?.(blob.size) ?? false) && before < times;
      if (wrong) spoiled.set(blob.digest, before + 1);
      for await (const piece of source.blob(blob, options)) {
        read.bytes += piece.length;
        yield wrong ? Buffer.from(piece).fill(0) : piece;
      }
    });
  const images = await Promise.all(Object.keys(samples).map((reference) => toBundle(reference, wrap)));
  const { document, ...plan } = await planBundle({
    images,
    createdAt: '2026-11-29T10:00:00.000Z',
    factory: '0.1.0',
    base: [],
    policy: { platforms: [], referrers: 'all', pins: {} },
  });
  return { plan: { document, ...plan }, read };
}

describe('an upload that cannot be read back', () => {
  it('ends with the same bytes and sums after kills, and reads again no more than a blob in memory', async () => {
    for (const share of [0.1, 0.5, 0.6, 0.7, 0.9]) {
      const carrier = new MemoryCarrier(64 * 1024);
      let seen = 0;
      const onBytes = (bytes: number) => {
        seen += bytes;
        if (seen > share * right.length) throw new Error('killed');
      };
      await expect(writeTar(await planSamples(), carrier, { onBytes, checkpointBytes })).rejects.toThrow('killed');
      const { plan, read } = await watchedPlan();
      const { resumedAt } = await writeTar(plan, carrier, { checkpointBytes });
      expect(resumedAt).toBeGreaterThan(0);
      expect(carrier.stored.equals(right)).toBe(true);
      expect(read.bytes).toBeLessThanOrEqual(right.length - resumedAt + 100_000);
      const sums = Buffer.from(carrier.files.get('sha256') ?? '').toString();
      const { damages } = await verifyBundle(
        { reader: memoryReader(carrier.stored) },
        { companions: carrier.companions },
      );
      expect([damages, sums.includes('memory.tar'), carrier.files.has('part.json')]).toEqual([[], true, false]);
    }
  });
});

describe('a source that serves wrong bytes', () => {
  it.each([
    ['a small blob', (size: number) => size > 30_000 && size < 50_000],
    ['a large blob', (size: number) => size > 8_000_000],
  ])('costs one more read of %s', async (what, spoil) => {
    const { plan } = await watchedPlan({ spoil });
    const name = `${what.replaceAll(' ', '-')}.tar`;
    await writeTar(plan, fileCarrier(join(folder, name)), { checkpointBytes });
    expect((await joined(name)).equals(right)).toBe(true);
  });

  it.each([
    ['small', (size: number) => size > 30_000 && size < 50_000],
    ['large', (size: number) => size > 8_000_000],
  ])('fails the export when a %s blob is wrong twice, and leaves it resumable', async (what, spoil) => {
    const { plan } = await watchedPlan({ spoil, times: 2 });
    const carrier = fileCarrier(join(folder, `${what}.tar`));
    await expect(writeTar(plan, carrier, { checkpointBytes })).rejects.toMatchObject({ name: 'DigestMismatch' });
    const { resumedAt } = await writeTar(await planSamples(), carrier, { checkpointBytes });
    expect(resumedAt).toBeGreaterThan(0);
    expect((await joined(`${what}.tar`)).equals(right)).toBe(true);
  });

  it('starts an upload again that cannot be read back', async () => {
    const { plan } = await watchedPlan({ spoil: (size) => size > 8_000_000 });
    const carrier = new MemoryCarrier(64 * 1024);
    await writeTar(plan, carrier, { checkpointBytes });
    expect(carrier.stored.equals(right)).toBe(true);
  });
});

function memoryReader(bytes: Buffer) {
  return {
    name: 'memory.tar',
    size: bytes.length,
    async *read(start: number, end: number) {
      if (start < end) yield bytes.subarray(start, end);
    },
    close: async () => undefined,
  };
}
