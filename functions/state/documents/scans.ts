import * as z from 'zod';
import { digest } from '../content.ts';
import { counts, errorDocument, number, text, texts, time } from './values.ts';

export const scanResult = z.object({
  status: z.enum(['passed', 'failed', 'pending']),
  /** Severity → number of findings. */
  findings: counts.exactOptional(),
  /** The first ids of findings that fail the image, the worst first, and of findings that are allowed for a time. */
  failing: texts.exactOptional(),
  allowed: texts.exactOptional(),
  /** The missing result, with `pending`. */
  detail: text.exactOptional(),
  error: errorDocument.exactOptional(),
});
export type ScanResult = z.output<typeof scanResult>;

export const scans = z.object({
  startedAt: time,
  /** Every image at the registry that the run would switch to. */
  images: z.array(
    z.object({
      image: text,
      target: text,
      digest,
      result: scanResult,
      /**
       * A hash of the registry's last response, and the time since which it is the same. Absent before the first check.
       */
      seen: z.object({ answers: text, since: time }).exactOptional(),
    }),
  ),
  /** Number of responses of GATHER_SCAN_TEMPLATE so far. */
  calls: number,
  warnings: texts,
});
export type Scans = z.output<typeof scans>;
