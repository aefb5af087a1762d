import * as z from 'zod';
import { type Digest, isDigest } from '../oci/spec/digest.ts';
import { formatReference, parseReference, type Reference } from '../oci/spec/reference.ts';

export const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value), {
  error: 'not a sha256 or sha512 digest',
});

/** The name of an image at a registry, stored as text. */
export const reference = z.codec(
  z.string(),
  z.custom<Reference>((value) => typeof value === 'object'),
  {
    decode: (text, context) => {
      try {
        return parseReference(text);
      } catch (error) {
        context.issues.push({ code: 'custom', message: (error as Error).message, input: text });
        return z.NEVER;
      }
    },
    encode: formatReference,
  },
);
