import * as z from 'zod';
import { digest } from '../content.ts';
import { registryCounts } from './registry-counts.ts';
import { errorDocument, number, text, texts, time } from './values.ts';

/** The results of copies, and the state that one call of a copy leaves to the next. */

export const copyResult = z.object({
  status: z.enum(['copied', 'repaired', 'skipped', 'failed']),
  /** The digest at the target of an image that BUILD_PUSH_TEMPLATE built. */
  digest: digest.exactOptional(),
  /** Set when the tag moved to the image, which had to pass its scan first. */
  tagged: z.literal(true).exactOptional(),
  /** The source, when it is not the one in the plan. */
  source: text.exactOptional(),
  bytesTransferred: number,
  bytesSkipped: number,
  startedAt: time.exactOptional(),
  endedAt: time.exactOptional(),
  /** The sources that were tried, each once for every call. */
  attempts: z.int().exactOptional(),
  error: errorDocument.exactOptional(),
  /** Referrers of the image that could not be copied. */
  warnings: texts.exactOptional(),
  registries: z.array(registryCounts).exactOptional(),
});
export type CopyResult = z.output<typeof copyResult>;

const copyTotals = z.object({ bytesTransferred: z.int(), bytesSkipped: z.int() });

/** The state that one call of an image's copy hands to the next. */
export const copyState = z.object({
  /** The source in use, when it is not the first. */
  source: text.exactOptional(),
  image: copyTotals,
  /** The image has arrived. Only its referrers remain. */
  arrived: z.literal(true).exactOptional(),
  referrers: copyTotals,
  /** The start of the first call, and the sources tried so far. Absent in states of release 0.1.0. */
  startedAt: time.exactOptional(),
  attempts: z.int().exactOptional(),
  /** Bytes done by the end of the last call. */
  done: z.int(),
  /** Consecutive calls without progress, and calls in total that ended with fewer bytes than they began with. */
  idleCalls: z.int(),
  setbacks: z.int(),
  registries: z.array(registryCounts),
});
export type CopyState = z.output<typeof copyState>;

export const build = z.object({ startedAt: time });
