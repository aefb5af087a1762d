import prettyBytes from 'pretty-bytes';
import type { ConfigResult, ImageResult, Report } from '../../functions/state/documents.ts';
import { printable } from '../../functions/text/printable.ts';
import { type Layout, marked, shorten } from './changes.ts';
import { paint, type Screen } from './screen.ts';
import { type Cell, table } from './table.ts';

/** Renders the images of a run, with the fields that were switched to each. */
export function imagesTable(
  images: readonly ImageResult[],
  config: readonly ConfigResult[],
  { rows, screen }: Layout,
): string {
  const lines = images.map((row): Cell[] => {
    const fields = config.filter(({ to }) => to === row.target || to === row.image).map(({ field }) => field);
    const [first = '', ...more] = fields;
    const short = more.length > 0 ? `${first} and ${more.length} more` : first;
    return [nameOf(row), row.status, prettyBytes(row.bytesTransferred), { full: shorten(fields), short }];
  });
  return table(['Image', 'Status', 'Transfer', 'Fields'], lines, { rows, columns: screen.columns });
}

/** Renders the images that a sync would copy (`+`) or repair (`~`), with the bytes to move, and those that are shared. */
export function copiesTable({ images, incomplete = [] }: Report, { rows, screen }: Layout): string {
  const broken = new Set(incomplete.map(({ reference }) => reference));
  const lines = images
    .filter(({ status }) => status === 'planned')
    .map((row) => [
      broken.has(row.target) ? '~' : '+',
      nameOf(row),
      prettyBytes(row.bytesTransferred),
      prettyBytes(row.bytesSkipped),
    ]);
  const drawn = table(['', 'Image', 'To move', 'Shared'], lines, { rows, columns: screen.columns });
  return marked(drawn, screen);
}

/** An image that could not be copied, with its error. */
export type Failure = ImageResult & { error: NonNullable<ImageResult['error']> };

export function failuresAmong(images: readonly ImageResult[]): Failure[] {
  return images.filter((row): row is Failure => row.error !== undefined);
}

/** Renders the error of each image that could not be copied, in full. */
export function describeFailures(failures: readonly Failure[], screen: Screen): string {
  const lines = failures.map(
    ({ image, error }) =>
      `${paint(screen, 'red', 'Failed:')} ${printable(`${image}: ${error.name}: ${error.message}`, Infinity)}`,
  );
  return lines.join('\n');
}

function nameOf({ image, requested }: ImageResult): string {
  return requested === undefined ? image : `${image} (newest of ${requested.slice(requested.lastIndexOf(':') + 1)})`;
}
