import { once } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { VerifyProgress } from '../../functions/bundle/verify-bundle.ts';
import { Deadline } from '../../functions/oci/copy/deadline.ts';
import type { Bundles } from '../../functions/runtime/bundles.ts';
import { checkBundle } from '../../functions/verify/bundle.ts';
import { runId, setStage, type Stage } from './stage.ts';

const bundle = { address: 's3://bundles/a.tar' };
const damage = { part: bundle.address, entry: 'blobs/sha256/0', reason: 'its bytes have another digest' };
let stage: Stage;
afterEach(() => stage.runtime.close());

/** Reads so many bytes in each call, until its time is up, and ends with the call for which no number is left. */
function setReader(
  bytesOfCalls: readonly number[],
  damages: VerifyProgress['damages'] = [],
): (VerifyProgress | undefined)[] {
  const begun: (VerifyProgress | undefined)[] = [];
  const verify: Bundles['verify'] = async (_, { signal, resumption }) => {
    const bytes = bytesOfCalls[begun.length];
    begun.push(resumption?.from);
    if (bytes === undefined) return { damages };
    if (!signal || !resumption) throw new TypeError('it cannot be interrupted');
    await once(signal, 'abort');
    const { position = 0 } = resumption.from ?? {};
    // Without a byte, nothing was begun.
    if (bytes > 0)
      resumption.keep({ dataVersion: '"etag"', position: position + bytes, sums: [], sum: 'c3Vt', damages });
    throw signal.reason;
  };
  const unused = () => Promise.reject(new TypeError('not asked for'));
  stage = setStage({ bundles: { open: unused, write: unused, verify } });
  return begun;
}

const call = () => checkBundle({ runId, bundle }, { runtime: stage.runtime, deadline: Deadline.in(40) });

describe('the check of a bundle', () => {
  it('begins each call where the one before ended, with the damages so far', async () => {
    const begun = setReader([5, 7], [damage]);
    expect([await call(), await call()]).toEqual(['continue', 'continue']);
    await expect(call()).rejects.toMatchObject({
      name: 'BundleInvalid',
      message: 's3://bundles/a.tar: blobs/sha256/0: its bytes have another digest',
    });
    expect(begun[0]).toBeUndefined();
    expect(begun.slice(1)).toMatchObject([
      { dataVersion: '"etag"', position: 5, sum: 'c3Vt', damages: [damage] },
      { dataVersion: '"etag"', position: 12 },
    ]);
  });

  it('reads in one call, with the faster hashes, where nothing interrupts it', async () => {
    const begun = setReader([]);
    expect(await checkBundle({ runId, bundle }, { runtime: stage.runtime })).toBe('agrees');
    expect(begun).toEqual([undefined]);
    expect(await stage.documents.bundleCheck.find()).toBeUndefined();
  });

  it('fails with a reason after five calls in a row that read nothing', async () => {
    setReader([5, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0]);
    for (let calls = 0; calls < 9; calls++) expect(await call()).toBe('continue');
    await expect(call()).rejects.toMatchObject({
      name: 'StoreFailed',
      message: '5 calls in a row read no more than 14 bytes of s3://bundles/a.tar',
    });
  });
});
