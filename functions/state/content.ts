import * as z from 'zod';
import { type Digest, isDigest } from '../oci/spec/digest.ts';

/** A digest in a stored document. */
export const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value), {
  error: 'not a sha256 or sha512 digest',
});
