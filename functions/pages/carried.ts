import type { Report } from '../state/documents.ts';
import { bytes } from './formats.ts';
import { type Child, html } from './html.ts';
import { chip } from './status.ts';
import { type Section, table } from './table.ts';
import { line } from './text.ts';

/** Shows what `doctor` found: failed checks first, each with its cure. */
export function checks({ checks: all = [] }: Report): Section | undefined {
  if (all.length === 0) return undefined;
  const order: readonly string[] = ['failed', 'warning', 'skipped', 'ok'];
  const sorted = all.toSorted((one, other) => order.indexOf(one.status) - order.indexOf(other.status));
  return {
    id: 'checks',
    title: `Checks (${all.length})`,
    content: table({
      caption: 'Checks',
      columns: ['Check', 'Result', { name: 'Finding', isWide: true }, { name: 'What to do', isWide: true }],
      rows: sorted.map(({ name, status, message, cure }) => [
        line(name),
        chip(status),
        line(message),
        cure === undefined ? '' : line(cure),
      ]),
    }),
  };
}

/** Shows the bundle of an export or import, and the images that it lacks. */
export function carriage({ bundle, needed = [] }: Report): Section | undefined {
  if (!bundle && needed.length === 0) return undefined;
  const content: Child[] = [];
  if (bundle) {
    const size = bundle.bytes === undefined ? '' : ` · ${bytes(bundle.bytes)}`;
    content.push(html`<p>${line(bundle.address)}${size}</p>`);
    if (bundle.id !== undefined) content.push(html`<p>Bundle <code>${line(bundle.id)}</code></p>`);
  }
  if (needed.length > 0) {
    const fieldsOf = (fields: (typeof needed)[number]['fields']) =>
      fields.map(({ module, infrastructureType, field }) => `${module} ${infrastructureType} ${field}`).join(', ');
    content.push(
      table({
        caption: 'Images that the bundle lacks',
        columns: ['The bundle lacks', 'Fields that are left alone'],
        rows: needed.slice(0, 500).map(({ image, fields }) => [line(image), line(fieldsOf(fields))]),
      }),
    );
  }
  return { id: 'bundle', title: 'Bundle', content };
}
