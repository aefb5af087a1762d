import prettyBytes from 'pretty-bytes';
import type { CarriedBundle } from '../../functions/state/documents.ts';
import { cellLimit, printable } from '../../functions/text/printable.ts';

/** Renders the size of a bundle, and what each platform needs of it. */
export function describeBundle({ address, bytes, platforms = {} }: CarriedBundle): string {
  if (bytes === undefined) return '';
  const sizes = Object.entries(platforms).map(([platform, size]) => `${platform} ${prettyBytes(size)}`);
  const parts = sizes.length > 1 ? ` (${sizes.join(', ')}; platforms share some)` : '';
  return printable(`Bundle ${address}: ${prettyBytes(bytes)}${parts}`, cellLimit);
}
