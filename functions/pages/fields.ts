import type { ConfigResult, Report } from '../state/documents.ts';
import { plural } from './formats.ts';
import { type Child, type Html, html } from './html.ts';
import { copyButton } from './images.ts';
import { chip } from './status.ts';
import { folded, type Section, table } from './table.ts';
import { line } from './text.ts';

const own = "Harness's own";

/** Shows each field before and after the run, the connector, and the command that puts them back. */
export function fields(report: Report, restore: string | undefined): Section | undefined {
  const { config, connector } = report;
  if (config.length === 0 && !connector) return undefined;
  const isQuiet = (row: ConfigResult) =>
    row.status === 'unchanged' && row.behind === undefined && row.reason === undefined;
  const news = config.filter((row) => !isQuiet(row)).toSorted(byPlace);
  const quiet = config.filter(isQuiet).toSorted(byPlace);
  const isLasting = config.some(({ status }) => status === 'updated' || status === 'reset');
  return {
    id: 'harness',
    title: `Harness: fields (${news.length} of ${config.length})`,
    content: [
      connector &&
        html`<p>
          Connector ${line(connector.reference)}: ${line(connector.before)} →${' '}${line(connector.after)}
          ${' '}${chip(wordOf(connector.status, report))}
        </p>`,
      news.length > 0 && fieldTable('Fields before and after', news, report),
      quiet.length > 0 &&
        folded(`${plural(quiet.length, 'field')} unchanged`, fieldTable('Unchanged fields', quiet, report)),
      restore !== undefined &&
        (isLasting || connector?.status === 'changed') &&
        html`<p>To put Harness back as it was before this run:</p>
          <p><code>${line(restore)}</code>${copyButton('the command')}</p>`,
    ],
  };
}

function byPlace(one: ConfigResult, other: ConfigResult): number {
  return place(one) < place(other) ? -1 : 1;
}

function place({ module, infrastructureType, field, status }: ConfigResult): string {
  const rank = status === 'rejected' || status === 'rolled-back' ? 0 : status === 'unchanged' ? 2 : 1;
  return `${rank} ${module} ${infrastructureType} ${field}`;
}

/** Returns a status in words. A plan speaks of the future, and verify of a difference. */
function wordOf(status: string, { action, harness }: Report): string {
  if (harness === 'unknown' && (status === 'updated' || status === 'reset')) return 'may differ';
  if (status === 'planned') return action === 'verify' ? 'differs' : action === 'plan' ? 'would change' : 'not changed';
  return status === 'rolled-back' ? 'rolled back' : status;
}

function fieldTable(caption: string, rows: readonly ConfigResult[], report: Report): Html {
  const { action } = report;
  const [before, after] =
    action === 'verify' ? ['Harness has', 'Should be'] : action === 'plan' ? ['Now', 'Then'] : ['Before', 'After'];
  return table({
    caption,
    columns: ['Field', { name: before, isWide: true }, { name: after, isWide: true }, 'Status'],
    rows: rows.map((row) => {
      const word = wordOf(row.status, report);
      return [
        html`${row.module} ${row.infrastructureType} ${line(row.field, 200)}`,
        html`<span class="was">${value(row.from)}</span>`,
        row.from === row.to ? 'the same' : value(row.to),
        [chip(word), note(row)],
      ];
    }),
  });
}

function value(image: string | null): Child {
  return image === null ? own : line(image);
}

function note({ reason, behind }: ConfigResult): Child {
  return [
    reason !== undefined && html`<br />${line(reason)}`,
    behind && html`<br />${line(behind.by)} behind ${line(behind.official)}${behindNote(behind.harness)}`,
  ];
}

function behindNote(check: string | undefined): string {
  return check === undefined ? '' : `, which Harness calls ${check}`;
}
