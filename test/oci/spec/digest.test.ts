import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  type Digest,
  digestOf,
  finishDigest,
  hasher,
  isDigest,
  parseDigest,
} from '../../../functions/oci/spec/digest.ts';

const zero512 = `sha512:${'0'.repeat(128)}` as Digest;

describe('a digest', () => {
  it('matches known sha256 and sha512 digests', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(digestOf(bytes)).toBe(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
        expect(digestOf(bytes, zero512)).toBe(`sha512:${createHash('sha512').update(bytes).digest('hex')}`);
        expect(isDigest(digestOf(bytes)) && isDigest(digestOf(bytes, zero512))).toBe(true);
      }),
    );
  });

  it('can be computed chunk by chunk', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (pieces) => {
        const hash = hasher(zero512);
        for (const piece of pieces) hash.update(piece);
        expect(finishDigest(hash, zero512)).toBe(digestOf(Buffer.concat(pieces), zero512));
      }),
    );
  });

  it.each([undefined, null, 7, {}, '', 'sha256:', 'sha256:../../x', `sha256:${'g'.repeat(64)}`, 'latest'])(
    'takes %p for no digest',
    (value) => {
      expect(() => parseDigest(value, 'here')).toThrow(expect.objectContaining({ name: 'ManifestInvalid' }));
    },
  );

  it('truncates a long invalid digest in the message', () => {
    expect(() => parseDigest('x'.repeat(1e6), 'here')).toThrow(/^here is not a .{1,200}$/);
  });
});
