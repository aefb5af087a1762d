import type { ImageResult, RegistryCounts, Report } from '../state/documents.ts';
import { windowsNote } from '../settings/windows-note.ts';
import { plural } from './formats.ts';
import { type Child, html } from './html.ts';
import { chip } from './status.ts';
import { folded, type Section, table } from './table.ts';
import { line } from './text.ts';

/** Rows of a list above which it is cut: report.json has all of it. */
const mostRows = 500;

function cut<T>(rows: readonly T[]): { rows: readonly T[]; more: Child } {
  const left = rows.length - mostRows;
  return { rows: rows.slice(0, mostRows), more: left > 0 && html`<p>${left} more in report.json.</p>` };
}

/** Shows the verdict on each scanned image, and what was allowed until when and why. */
export function scans({ images, input }: Report): Section | undefined {
  const scanned = images.filter((row): row is ImageResult & { scan: NonNullable<ImageResult['scan']> } => !!row.scan);
  if (scanned.length === 0) return undefined;
  const { rows, more } = cut(scanned.toSorted((one, other) => urgency(one.scan.status) - urgency(other.scan.status)));
  return {
    id: 'scans',
    title: `Scans (${scanned.length})`,
    content: [
      table({
        caption: 'Scans',
        columns: ['Image', 'Scan', 'Findings', 'Not allowed', 'Allowed'],
        rows: rows.map(({ image, scan }) => [
          line(image),
          chip(scan.status),
          Object.entries(scan.findings ?? {}).map(
            ([severity, count]) => html`<div>${line(severity, 50)}: ${count}</div>`,
          ),
          scan.failing?.map((id) => html`<div>${line(id, 200)}</div>`),
          scan.allowed?.map((id) => html`<div>${line(id, 200)}</div>`),
        ]),
      }),
      more,
      allowed(input),
    ],
  };
}

function urgency(status: string): number {
  return ['failed', 'pending', 'passed'].indexOf(status);
}

/** Shows `scan_allow` of the input, which release 0.1.0 did not keep. */
function allowed(input: Report['input']): Child {
  const { scan_allow: entries } = input ?? {};
  if (!Array.isArray(entries) || entries.length === 0) return undefined;
  const known = entries.filter(
    (entry): entry is Record<string, unknown> => typeof entry === 'object' && entry !== null,
  );
  return [
    html`<h3>Allowed findings</h3>`,
    table({
      caption: 'Allowed findings',
      columns: ['Finding', 'Until', 'Images', 'Reason'],
      rows: known.map(({ id, until, images, reason }) => [
        line(textIn(id), 200),
        line(textIn(until), 50),
        Array.isArray(images) ? images.map((image) => html`<div>${line(textIn(image), 200)}</div>`) : 'all',
        line(textIn(reason)),
      ]),
    }),
  ];
}

function textIn(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Shows the requests to each registry, and how much it held the run up. */
export function registries({ registries: all = [] }: Report): Section | undefined {
  if (all.length === 0) return undefined;
  const count = (counts: RegistryCounts['requests']) => Object.values(counts).reduce((sum, each) => sum + each, 0);
  const columns = ['Requests', 'Retries', 'Throttled (429)', 'Pauses', 'Mounts', 'Pulls left'];
  return {
    id: 'registries',
    title: `Registries (${all.length})`,
    content: table({
      caption: 'Registries',
      columns: ['Registry', ...columns.map((name) => ({ name, isNumber: true }))],
      rows: all.map(({ host, requests, retries, throttles, pauses, mounts, pulls }) => [
        line(host),
        count(requests),
        retries,
        throttles,
        pauses,
        mounts,
        pulls ? `${pulls.remaining} of ${pulls.limit}` : '',
      ]),
    }),
  };
}

/** Shows images at the registry that lack pieces. */
export function incomplete({ incomplete: images = [] }: Report): Section | undefined {
  if (images.length === 0) return undefined;
  const { rows, more } = cut(images);
  return {
    id: 'incomplete',
    title: `Incomplete images (${images.length})`,
    content: [
      table({
        caption: 'Incomplete images',
        columns: ['Image', 'Lacks'],
        rows: rows.map(({ reference, missing }) => [
          line(reference),
          missing.slice(0, 20).map(({ kind, digest }) => html`<div>${kind} ${line(digest, 200)}</div>`),
        ]),
      }),
      more,
    ],
  };
}

/** Shows the images that pods would not find. */
export function pulls({ pulls: all = [], blocked }: Report): Section | undefined {
  const missing = blocked?.missing ?? all.filter(({ status }) => status === 'missing' || status === 'unknown');
  if (missing.length === 0) return undefined;
  const { rows, more } = cut(missing);
  return {
    id: 'pulls',
    title: `Images that pods would not find (${missing.length})`,
    content: [
      table({
        caption: 'Images that pods would not find',
        columns: ['Image', 'Status', 'Fields'],
        rows: rows.map(({ reference, status, fields }) => {
          const note = windowsNote(fields);
          return [
            line(reference),
            chip(status),
            [line(fields.join(', ')), note !== undefined && html`<br /><span class="dim">${note}</span>`],
          ];
        }),
      }),
      more,
    ],
  };
}

/** Shows versions that Harness is not switched to yet, and copies that nothing uses. */
export function waiting({ soaking = [], unused = [] }: Report): Section[] {
  const cutUnused = cut(unused);
  return [
    ...(soaking.length > 0
      ? [
          {
            id: 'soaking',
            title: `New versions that soak (${soaking.length})`,
            content: table({
              caption: 'New versions that soak',
              columns: ['Image', 'Until', 'Fields'],
              rows: soaking.map(({ image, until, fields }) => [line(image), line(until, 50), line(fields.join(', '))]),
            }),
          },
        ]
      : []),
    ...(unused.length > 0
      ? [
          {
            id: 'unused',
            title: `Copies that nothing uses (${unused.length})`,
            content: folded(plural(unused.length, 'copy').replace(/ys$/, 'ies'), [
              table({
                caption: 'Copies that nothing uses',
                columns: ['Copy', 'Outcome', 'Reason'],
                rows: cutUnused.rows.map(({ reference, status, reason }) => [
                  line(reference),
                  status ? chip(status) : 'not asked to prune',
                  line(reason ?? ''),
                ]),
              }),
              cutUnused.more,
            ]),
          },
        ]
      : []),
  ];
}

export function warnings({ warnings: all = [] }: Report): Section | undefined {
  if (all.length === 0) return undefined;
  const { rows, more } = cut(all);
  return {
    id: 'warnings',
    title: `Warnings (${all.length})`,
    content: [
      html`<ul>
        ${rows.map((warning) => html`<li>${line(warning)}</li>`)}
      </ul>`,
      more,
    ],
  };
}
