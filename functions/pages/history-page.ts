import type { HistoryEntry } from '../state/history.ts';
import { bytes, duration, plural, time, utc } from './formats.ts';
import { renderPage, tiles } from './frame.ts';
import { type Child, type Html, html } from './html.ts';
import { chip, shapeOf } from './status.ts';
import { folded, type Section, table } from './table.ts';
import { attribute, line } from './text.ts';

const day = 86_400_000;
const stripDays = 90;
const rateDays = 30;
/** Runs whose changes are listed one by one. */
const mostChanges = 100;

/** The surroundings of the page. */
export interface HistoryContext {
  now: Date;
  /** Returns the command that puts Harness back as it was before a run. */
  restore?: ((runId: string) => string) | undefined;
  /** Returns the relative address of a run's page, where the page is read from a folder. */
  page?: (runId: string) => string;
}

/** Renders the runs of a store, the newest first, as a page that is complete in one file. */
export function historyPage(runs: readonly HistoryEntry[], context: HistoryContext): string {
  return renderPage({
    title: 'History',
    heading: 'history',
    time: ['Written ', time(context.now.toISOString())],
    lead: verdict(runs, context.now),
    sections: [days(runs, context), runTable(runs, context), changes(runs, context), versions(runs)],
    footer: 'Everything on this page is from the reports of the runs.',
  });
}

function startOf({ startedAt }: HistoryEntry): number | undefined {
  return startedAt === undefined ? undefined : Date.parse(startedAt);
}

/** Shows whether the copies are current: the age of the last success, the success rate, and the bytes saved. */
function verdict(runs: readonly HistoryEntry[], now: Date): Html {
  const syncs = runs.filter(({ action }) => action === 'sync');
  const last = syncs.find(({ status }) => status === 'SUCCEEDED');
  const since = last && startOf(last);
  const recent = syncs.filter((run) => (startOf(run) ?? 0) > now.getTime() - rateDays * day);
  const good = recent.filter(({ status }) => status === 'SUCCEEDED').length;
  const ended = recent.filter(({ status }) => status === 'SUCCEEDED' || status === 'FAILED').length;
  const moved = sum(runs, 'bytesTransferred');
  const saved = sum(runs, 'bytesSkipped');
  const failing = syncs.findIndex(({ status }) => status === 'SUCCEEDED');
  const tone = last === undefined ? 'warn' : failing > 0 && syncs[0]?.status === 'FAILED' ? 'bad' : 'good';
  const figures: [string, Child][] = [
    ['runs', runs.length],
    [`of syncs succeeded in ${rateDays} days`, ended === 0 ? 'none ran' : `${Math.floor((100 * good) / ended)}\u00A0%`],
    ['moved', bytes(moved)],
    ['not moved', bytes(saved)],
  ];
  return html`<div class=${`verdict ${tone}`}>
      <p class="main">
        <span>
          ${
            since === undefined
              ? 'No sync has succeeded yet.'
              : [
                  `The last sync that succeeded began ${duration(Math.max(0, now.getTime() - since))} ago, `,
                  time(new Date(since).toISOString()),
                  '.',
                ]
          }
        </span>
      </p>
      ${
        tone === 'bad' &&
        html`<p>
          ${plural(failing < 0 ? syncs.length : failing, 'sync')} since then did not succeed; the last one ended with <strong>${line(syncs[0]?.error ?? 'an error')}</strong>.
        </p>`
      }
    </div>
    ${tiles(figures)}`;
}

function sum(runs: readonly HistoryEntry[], key: 'bytesTransferred' | 'bytesSkipped'): number {
  return runs.reduce((total, run) => total + (run[key] ?? 0), 0);
}

/** Shows the worst outcome of each day, the newest at the right. One day alone tells nothing that the runs do not. */
function days(runs: readonly HistoryEntry[], { now }: HistoryContext): Section | undefined {
  const byDay = Map.groupBy(runs, ({ startedAt = '' }) => startedAt.slice(0, 10));
  const shown = Array.from({ length: stripDays }, (_, index) =>
    new Date(now.getTime() - (stripDays - 1 - index) * day).toISOString().slice(0, 10),
  );
  const first = shown.findIndex((date) => byDay.has(date));
  if (first < 0 || first === stripDays - 1) return undefined;
  return {
    id: 'days',
    title: 'Day by day',
    content: html`<ul class="strip">
      ${shown.slice(first).map((date) => dayCell(date, byDay.get(date) ?? []))}
    </ul>`,
  };
}

function dayCell(date: string, runs: readonly HistoryEntry[]): Html {
  const worst = ['FAILED', 'UNFINISHED', 'SKIPPED', 'SUCCEEDED'].find((status) =>
    runs.some((run) => run.status === status),
  );
  const text = `${date}: ${runs.length === 0 ? 'no run' : `${plural(runs.length, 'run')}, the worst ${worst}`}`;
  const { tone, shape } = worst === undefined ? { tone: 'plain', shape: ' ' } : shapeOf(worst);
  return html`<li class=${tone} title=${text}>
    <span aria-hidden="true">${shape}</span><span class="hidden">${text}</span>
  </li>`;
}

function runTable(runs: readonly HistoryEntry[], { page }: HistoryContext): Section {
  return {
    id: 'runs',
    title: `Runs (${runs.length})`,
    content:
      runs.length === 0
        ? html`<p>No runs yet.</p>`
        : html`<div class="long">
            ${table({
              caption: 'Runs',
              columns: [
                'Run',
                'Action',
                'Status',
                { name: 'Copied', isNumber: true },
                { name: 'Failed', isNumber: true },
                { name: 'Fields', isNumber: true },
                { name: 'Duration', isNumber: true },
                'Restorable',
              ],
              rows: runs.map((run) => [
                [
                  page ? html`<a href=${page(run.runId)}>${line(run.runId, 100)}</a>` : line(run.runId, 100),
                  run.startedAt !== undefined && [html`<br />`, time(run.startedAt)],
                ],
                line(run.action, 50),
                [chip(run.status), run.error !== undefined && html`<br />${line(run.error, 100)}`],
                run.copied,
                run.failed ?? '',
                run.changes.length,
                run.durationMs === undefined ? '' : duration(run.durationMs),
                run.restorable ? 'yes' : '',
              ]),
            })}
          </div>`,
  };
}

/** Shows what each run changed in Harness, and how to put it back. */
function changes(runs: readonly HistoryEntry[], { restore }: HistoryContext): Section | undefined {
  const changing = runs.filter((run) => run.changes.length > 0 || run.connector);
  if (changing.length === 0) return undefined;
  const left = changing.length - mostChanges;
  return {
    id: 'changes',
    title: `What the runs changed (${changing.length})`,
    content: [
      changing.slice(0, mostChanges).map((run, index) => changesOf(run, index + 1, restore)),
      left > 0 && html`<p>${plural(left, 'earlier run')} changed Harness too: see the reports.</p>`,
    ],
  };
}

function changesOf(
  { runId, startedAt, action, changes: rows, connector, restorable }: HistoryEntry,
  number: number,
  restore: HistoryContext['restore'],
): Html {
  const date = startedAt === undefined ? '' : `${utc(new Date(startedAt))} · `;
  const also = connector ? ' and the connector' : '';
  return folded(
    [`${date}${action} · ${plural(rows.length, 'field')}${also} · `, line(runId, 100)],
    [
      connector &&
        html`<p>Connector ${line(connector.reference)}: ${line(connector.before)} → ${line(connector.after)}</p>`,
      rows.length > 0 &&
        table({
          caption: `Changes ${number}: ${date}${attribute(action)}`,
          columns: ['Field', { name: 'Before', isWide: true }, { name: 'After', isWide: true }],
          rows: rows.map((row) => [
            html`${row.module} ${row.infrastructureType} ${line(row.field, 200)}`,
            html`<span class="was">${line(row.from ?? "Harness's own")}</span>`,
            line(row.to ?? "Harness's own"),
          ]),
        }),
      restorable &&
        restore &&
        html`<p>To put Harness back as it was before this run: <code>${line(restore(runId))}</code></p>`,
    ],
  );
}

/** Shows the versions of each field over time, the newest first. */
function versions(runs: readonly HistoryEntry[]): Section | undefined {
  const byField = new Map<string, string[]>();
  for (const { startedAt = '', changes: rows } of runs) {
    for (const { module, infrastructureType, field, to } of rows) {
      const name = `${module} ${infrastructureType} ${field}`;
      const version = to === null ? "Harness's own" : to.slice(to.lastIndexOf('/') + 1);
      byField.set(name, [...(byField.get(name) ?? []), `${startedAt.slice(0, 10)} ${version}`]);
    }
  }
  if (byField.size === 0) return undefined;
  return {
    id: 'versions',
    title: `Versions of each field (${byField.size})`,
    content: folded(
      plural(byField.size, 'field'),
      table({
        caption: 'Versions of each field',
        columns: ['Field', 'Versions, the newest first'],
        rows: [...byField]
          .toSorted(([one], [other]) => (one < other ? -1 : 1))
          .map(([name, all]) => [line(name, 300), all.slice(0, 10).map((each) => html`<div>${line(each, 300)}</div>`)]),
      }),
    ),
  };
}
