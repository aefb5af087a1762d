import type { Report } from '../state/documents.ts';
import { chip } from './status.ts';
import { type Section, table } from './table.ts';
import { line } from './text.ts';

/** Shows the findings of `doctor`, in the order to read them, each with its cure. */
export function checks({ checks: all = [] }: Report): Section | undefined {
  if (all.length === 0) return undefined;
  return {
    id: 'checks',
    title: `Checks (${all.length})`,
    content: table({
      caption: 'Checks',
      columns: ['Check', 'Status', { name: 'Finding', isWide: true }, { name: 'Cure', isWide: true }],
      rows: all.map(({ name, status, message, cure }) => [
        line(name),
        chip(status),
        line(message),
        cure !== undefined && line(cure),
      ]),
    }),
  };
}
