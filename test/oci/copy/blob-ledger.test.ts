import { describe, expect, it } from '@jest/globals';
import { BlobLedger } from '../../../functions/oci/copy/blob-ledger.ts';
import { digestOf } from '../../../functions/oci/spec/digest.ts';

const digest = digestOf(Buffer.from('blob'));
const other = digestOf(Buffer.from('other'));

describe('the ledger of blobs', () => {
  it('names the first repository a blob was seen in', () => {
    const ledger = new BlobLedger();
    expect(ledger.holder(digest)).toBeUndefined();
    ledger.record(digest, 'a');
    ledger.record(digest, 'b');
    expect(ledger.holder(digest)).toBe('a');
    expect([ledger.knows(digest, 'a'), ledger.knows(digest, 'b'), ledger.knows(other, 'a')]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('takes what is expected for a place to ask, not for a fact, and prefers what was seen', () => {
    const ledger = new BlobLedger();
    ledger.expect(digest, 'owner');
    expect([ledger.holder(digest), ledger.knows(digest, 'owner')]).toEqual(['owner', false]);
    ledger.record(digest, 'seen');
    expect(ledger.holder(digest)).toBe('seen');
  });

  it('lets one copy of a blob run at a time, and other blobs beside it', async () => {
    const ledger = new BlobLedger();
    let running = 0;
    let most = 0;
    const copy = async () => {
      most = Math.max(most, ++running);
      await new Promise(setImmediate);
      running--;
    };
    await Promise.all(Array.from({ length: 5 }, () => ledger.alone(digest, copy)));
    expect(most).toBe(1);
    await Promise.all([ledger.alone(digest, copy), ledger.alone(other, copy)]);
    expect(most).toBe(2);
  });

  it('lets a waiting copy find the blob of the first one', async () => {
    const ledger = new BlobLedger();
    const found: (string | undefined)[] = [];
    const copyTo = (repository: string) =>
      ledger.alone(digest, async () => {
        found.push(ledger.holder(digest));
        await new Promise(setImmediate);
        ledger.record(digest, repository);
      });
    await Promise.all([copyTo('a'), copyTo('b'), copyTo('c')]);
    expect(found).toEqual([undefined, 'a', 'a']);
  });

  it('lets the next one try when the first failed', async () => {
    const ledger = new BlobLedger();
    const outcomes = await Promise.allSettled([
      ledger.alone(digest, () => Promise.reject(new Error('failed'))),
      ledger.alone(digest, async () => 'brought'),
      ledger.alone(digest, async () => 'brought too'),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
  });

  it('lets go of one who waits when his signal aborts', async () => {
    const ledger = new BlobLedger();
    const first = Promise.withResolvers<void>();
    const working = ledger.alone(digest, () => first.promise);
    const controller = new AbortController();
    const waiting = ledger.alone(digest, () => Promise.reject(new Error('never')), controller.signal);
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    first.resolve();
    await working;
  });
});
