import type { ImageResult, Report } from '../state/documents.ts';
import { bytes, duration, plural, time } from './formats.ts';
import { type Child, type Html, html } from './html.ts';
import { chip } from './status.ts';
import { folded, type Section, table } from './table.ts';
import { block, line } from './text.ts';

/** Rows of one table above which images that were there already are folded. */
const foldAbove = 50;
/** Rows above which only failed and changed images, and the first others, are listed. */
const mostRows = 5_000;
/** Failed images that get their details. The others are in the table of images. */
const mostFailures = 100;

const digestPattern = /^sha(?:256|512):[0-9a-f]+$/;

/** Shows the images that failed, each with its reason, its attempts and what to do. */
export function failures({ images }: Report): Section | undefined {
  const failed = images.filter(({ status }) => status === 'failed').toSorted(byName);
  if (failed.length === 0) return undefined;
  const more = failed.length - mostFailures;
  return {
    id: 'failed',
    title: `Failed (${failed.length})`,
    content: [
      failed.slice(0, mostFailures).map(failedImage),
      more > 0 && html`<p>And ${plural(more, 'more image')}, in the table of images.</p>`,
    ],
  };
}

function failedImage({ image, digest, source, target, startedAt, durationMs, attempts, error }: ImageResult): Html {
  const facts: [string, Child | undefined][] = [
    ['From', source === null ? 'no source has it' : line(source)],
    ['To', line(target)],
    ['Digest', digest !== null && digestCell(image, digest)],
    [
      'Tried',
      startedAt !== undefined && [time(startedAt), durationMs !== undefined && `, for ${duration(durationMs)}`],
    ],
    ['Sources tried', attempts],
    ['What to do', error && line(error.hint)],
  ];
  return html`<h3>${chip('failed')} ${line(image)}</h3>
    <p>${error && [html`<strong>${line(error.name)}</strong>`, ': ', line(error.message)]}</p>
    ${folded(['Details of ', line(image, 100)], [factList(facts), error && block(error.message)])}`;
}

export function factList(facts: readonly (readonly [string, Child | undefined])[]): Html {
  const known = facts.filter(([, value]) => value !== undefined && value !== false);
  return html`<dl class="facts">
    ${known.map(
      ([name, value]) =>
        html`<dt>${name}</dt>
          <dd>${value}</dd>`,
    )}
  </dl>`;
}

/** Shows every image: failed ones first, then those that a scan holds back, copied, planned, and present ones. */
export function imageList(report: Report): Section | undefined {
  const { images } = report;
  if (images.length === 0) return undefined;
  const sorted = images.toSorted((one, other) => rank(one) - rank(other) || byName(one, other));
  const shown = sorted.slice(0, Math.max(mostRows, sorted.findIndex(isPlain)));
  const present = images.length > foldAbove ? shown.filter(isPlain) : [];
  const rest = present.length > 0 ? shown.filter((row) => !isPlain(row)) : shown;
  const left = images.length - shown.length;
  return {
    id: 'images',
    title: `Images (${images.length})`,
    content: [
      filter('images', [...new Set(shown.map((row) => wordOf(row, report)))]),
      rest.length > 0 && imageTable('Images', rest, report),
      present.length > 0 &&
        folded(`${plural(present.length, 'image')} already there`, imageTable('Images already there', present, report)),
      left > 0 &&
        html`<p>
          ${plural(left, 'more image')} that the run did not change ${left === 1 ? 'is' : 'are'} in report.json only.
        </p>`,
    ],
  };
}

function isPlain({ status, scan }: ImageResult): boolean {
  return status === 'skipped' && (scan === undefined || scan.status === 'passed');
}

function rank(row: ImageResult): number {
  if (row.status === 'failed') return 0;
  if (row.scan && row.scan.status !== 'passed') return 1;
  const order: readonly string[] = ['repaired', 'copied', 'planned', 'skipped'];
  return 2 + (order.indexOf(row.status) + 1 || 1.5);
}

function byName(one: ImageResult, other: ImageResult): number {
  return one.image < other.image ? -1 : one.image > other.image ? 1 : 0;
}

/** Returns a status in words. A plan speaks of the future. */
function wordOf({ status }: ImageResult, { action }: Report): string {
  if (status === 'skipped') return 'already there';
  if (status === 'planned') return action === 'plan' ? 'would copy' : 'not copied';
  return status;
}

function imageTable(caption: string, rows: readonly ImageResult[], report: Report): Html {
  const hasScans = rows.some(({ scan }) => scan);
  const hasTimes = rows.some(({ durationMs }) => durationMs !== undefined);
  const columns = [
    'Image',
    'Status',
    'Digest',
    { name: report.action === 'plan' ? 'To move' : 'Moved', isNumber: true },
    { name: 'Not moved', isNumber: true },
    ...(hasScans ? ['Scan'] : []),
    ...(hasTimes ? [{ name: 'Time', isNumber: true }] : []),
  ];
  const words = rows.map((row) => wordOf(row, report));
  const cells = rows.map((row, index): Child[] => [
    [
      line(row.image),
      row.requested !== undefined && html` <span class="dim">(newest of ${line(row.requested, 200)})</span>`,
    ],
    chip(row.status, words[index]),
    row.digest === null ? '' : digestCell(row.image, row.digest),
    bytes(row.bytesTransferred),
    bytes(row.bytesSkipped),
    ...(hasScans ? [row.scan ? scanCell(row.scan) : ''] : []),
    ...(hasTimes ? [row.durationMs === undefined ? '' : duration(row.durationMs)] : []),
  ]);
  return html`<div class=${rows.length > foldAbove && 'long'}>
    ${table({ caption, columns, rows: cells, statuses: words })}
  </div>`;
}

function scanCell({ status, findings = {} }: NonNullable<ImageResult['scan']>): Child {
  const worst = ['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'].map((severity) => findings[severity] ?? 0);
  return [chip(status), Object.keys(findings).length > 0 && ` ${worst.join('/')}`];
}

/** Shows a digest as a whole where there is room, with a button that copies it. */
function digestCell(image: string, digest: string): Child {
  if (!digestPattern.test(digest)) return line(digest);
  return html`<code class="d">${digest}</code>${copyButton(['digest of ', line(image, 100)])}`;
}

/** Makes a button that copies the text of the element before it. */
export function copyButton(what: Child): Html {
  return html`<button type="button" data-copies>copy<span class="hidden"> ${what}</span></button>`;
}

function filter(id: string, statuses: readonly string[]): Html {
  return html`<search data-filters aria-label="Filter images">
    <label for=${`${id}-words`}>Filter</label>
    <input type="search" name="words" id=${`${id}-words`} />
    ${
      statuses.length > 1 &&
      html`<fieldset>
        <legend>Status</legend>
        ${['', ...statuses].map(
          (status, index) =>
            html`<label><input type="radio" name="status" value=${status} checked=${index === 0} /> ${status || 'all'}</label>`,
        )}
      </fieldset>`
    }
    <output></output>
  </search>`;
}
