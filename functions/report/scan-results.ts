import type { ImageResult, Scans } from '../state/documents.ts';

/** Adds the scan results to the rows of images. An image that fails its scan is a failed image. */
export function withScans(rows: readonly ImageResult[], scans: Scans | undefined): ImageResult[] {
  const results = new Map(scans?.images.map(({ image, result }) => [image, result]));
  return rows.map((row) => {
    const result = results.get(row.image);
    if (!result || row.status === 'failed') return row;
    const { error, detail: _detail, ...scan } = result;
    return { ...row, scan, ...(error && { status: 'failed' as const, error }) };
  });
}
