import type { Report } from '../../functions/state/documents.ts';

/** The totals of a run without images. */
export const noTotals: Report['totals'] = {
  images: 0,
  copied: 0,
  repaired: 0,
  skipped: 0,
  failed: 0,
  bytesTransferred: 0,
  bytesSkipped: 0,
  durationMs: 0,
};
