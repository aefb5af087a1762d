import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Digest, digestOf } from '../../../functions/oci/spec/digest.ts';
import { resumableHash } from '../../../functions/oci/copy/resumable-hash.ts';

const likes = [`sha256:${'0'.repeat(64)}`, `sha512:${'0'.repeat(128)}`] as Digest[];

describe.each(likes)('a hash like %.6s', (like) => {
  it('gives the digest of the whole when a saved hash is resumed anywhere', async () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(pieces, async (bytes) => {
        let saved: string | undefined;
        for (const piece of bytes) {
          const hash = await resumableHash(like, saved);
          hash.update(piece);
          saved = hash.save();
        }
        const hash = await resumableHash(like, saved);
        expect(hash.digest()).toBe(digestOf(Buffer.concat(bytes), like));
      }),
    );
  });

  it('refuses to resume from text that no hash saved', async () => {
    await expect(resumableHash(like, 'AAAA')).rejects.toThrow();
  });
});
