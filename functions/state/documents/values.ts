import * as z from 'zod';
import type { ErrorDocument } from '../../errors.ts';
import { harnessModules, infrastructureTypes } from '../../harness/scope.ts';
import type { Piece } from '../../oci/spec/image.ts';
import { digest } from '../content.ts';

/** Values that several documents share. */

export const text = z.string();
export const number = z.number();
export const texts = z.array(text);
export const counts = z.record(text, number);
export const time = z.iso.datetime();

export const configScope = z.object({
  module: z.enum(harnessModules),
  infrastructureType: z.enum(infrastructureTypes),
});
export const configField = configScope.extend({ field: text });

/** An error as an earlier run reported it. Its name may be one that this release does not use. */
export const errorDocument: z.ZodType<ErrorDocument> = z.object({
  name: text,
  message: text,
  hint: text,
  problems: z.array(z.object({ path: text, found: text, allowed: text, reason: text.exactOptional() })).exactOptional(),
});

export const piece: z.ZodType<Piece> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('manifest'), digest }),
  z.object({ kind: z.literal('blob'), digest, size: number }),
]);
