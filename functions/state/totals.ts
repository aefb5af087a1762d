import type { ImageResult, Report } from './documents.ts';

/** Counts the images of a run by their outcome, and their bytes. */
export function totalsOf(images: readonly ImageResult[], startedAt: string): Report['totals'] {
  const count = (...statuses: ImageResult['status'][]) =>
    images.filter(({ status }) => statuses.includes(status)).length;
  const sum = (key: 'bytesTransferred' | 'bytesSkipped') => images.reduce((total, image) => total + image[key], 0);
  return {
    images: images.length,
    copied: count('copied', 'exported', 'imported'),
    repaired: count('repaired'),
    skipped: count('skipped'),
    failed: count('failed'),
    bytesTransferred: sum('bytesTransferred'),
    bytesSkipped: sum('bytesSkipped'),
    durationMs: Math.max(0, Date.now() - Date.parse(startedAt)),
  };
}
