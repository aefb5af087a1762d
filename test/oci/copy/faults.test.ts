import { describe, expect, it } from '@jest/globals';
import type { UploadWay } from '../../../functions/oci/registry/profile.ts';
import { expectWhole } from '../connect.ts';
import {
  type FaultCase,
  faultMatrix,
  type FaultOutcome,
  imageFor,
  largestOf,
  meet,
  mirror,
  pull,
  sent,
  sizeOf,
} from './fault-matrix.ts';

async function expectCopied(row: FaultCase): Promise<FaultOutcome> {
  const outcome = await meet(row);
  const { from, to, totals, error } = outcome;
  expect(error).toBeUndefined();
  expectWhole(to, mirror, row.image);
  expect(to.storage.resolve(mirror, '1')).toBe(row.image.digest);
  expect(totals).toMatchObject({ bytesTransferred: sizeOf(row.image), bytesSkipped: 0, confirmed: true });
  expect(to.uploads.size).toBe(0);
  // It was not spared the fault.
  const at = row.side === 'source' ? from : to;
  if (row.faults) expect(at.faults.hits).toBeGreaterThan(0);
  // Once without a token, to learn where to get one, and once with the one that died.
  const refused = at.requests.filter(({ status, headers }) => status === 401 && headers['authorization']);
  if (row.tokensDie) expect(refused.length).toBeGreaterThan(0);
  return outcome;
}

const rows = (side: FaultCase['side'], way: UploadWay) =>
  faultMatrix.filter((row) => row.side === side && row.way === way);

describe('an image arrives whole in spite of a source with', () => {
  it.each(rows('source', 'put'))('$fault', async (row) => {
    const { from, to } = await expectCopied(row);
    // What a reset takes away was lost on the way: only these lose nothing.
    if (!row.faults?.some(({ act }) => act === 'finish-early' || act === 'truncate' || act === 'stall')) return;
    expect(sent(from) / sizeOf(row.image)).toBeLessThanOrEqual(1.02);
    // No upload was started again.
    expect(to.requests.filter(({ method, status }) => method === 'POST' && status === 202)).toHaveLength(
      row.image.blobs.size,
    );
  });
});

describe.each<UploadWay>(['put', 'patch', 'chunk'])('sent by %s, an image', (way) => {
  it.each(rows('destination', way))('arrives whole in spite of a destination with $fault', async (row) => {
    await expectCopied(row);
  });

  it('completes no blob of an image that stays corrupt at its source', async () => {
    const image = imageFor({});
    const large = largestOf(image);
    const last = (image.blobs.get(large)?.length ?? 0) - 1;
    const faults = [{ match: { ...pull, times: 99 }, act: 'corrupt', afterBytes: last }] as const;
    const { to, error } = await meet({ side: 'source', fault: 'corruption that stays', way, image, faults });
    expect(error).toMatchObject({ name: 'DigestMismatch' });
    expect(to.storage.blob(mirror, large)).toBeUndefined();
    const completed = to.requests.filter(
      ({ query, status }) => query.includes(encodeURIComponent(large)) && status === 201,
    );
    expect(completed).toEqual([]);
    expect(to.storage.tags(mirror)).toEqual([]);
  });
});
