import * as z from 'zod';
import { digest } from '../content.ts';
import { piece, text } from './values.ts';

/** Images at the registry that lack pieces, or that nothing uses. */

/** An image at the registry that lacks pieces. */
const incompleteImage = z.object({ reference: text, missing: z.array(piece).readonly() });
export type IncompleteImage = z.output<typeof incompleteImage>;
export const incomplete = z.array(incompleteImage);

/** A copy that nothing uses. */
const unusedImage = z.object({
  reference: text,
  digest,
  /** The outcome of `prune`: it deleted the image, deleted the tag alone, or kept both. Absent without `prune`. */
  status: z.enum(['deleted', 'untagged', 'kept']).exactOptional(),
  /** The reason for keeping the copy. */
  reason: text.exactOptional(),
});
export type UnusedImage = z.output<typeof unusedImage>;
export const pruned = z.array(unusedImage);
