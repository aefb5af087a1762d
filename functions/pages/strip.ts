import type { HistoryEntry } from '../state/history.ts';
import { duration, utc } from './formats.ts';
import { type Html, html } from './html.ts';
import { shapeOf } from './status.ts';
import { attribute } from './text.ts';

const length = 30;

/** Shows the outcomes of the last runs, the newest at the right. Links to their pages where these are in one folder. */
export function strip(recent: readonly HistoryEntry[], runId: string, isLinked: boolean): Html | undefined {
  const shown = recent.slice(0, length).toReversed();
  if (shown.length < 2) return undefined;
  return html`<h2 id="recent">Last ${shown.length} runs</h2>
    <ul class="strip">
      ${shown.map((entry) => cell(entry, entry.runId === runId, isLinked))}
    </ul>`;
}

function cell(
  { runId, action, status, startedAt, durationMs }: HistoryEntry,
  isThis: boolean,
  isLinked: boolean,
): Html {
  const { tone, shape } = shapeOf(status);
  const date = startedAt === undefined ? '' : ` ${utc(new Date(startedAt))}`;
  const took = durationMs === undefined ? '' : `, ${duration(durationMs)}`;
  const text = `${attribute(action)} ${status}${date}${took}${isThis ? ' (this run)' : ''}`;
  const shown = [html`<span aria-hidden="true">${shape}</span>`, html`<span class="hidden">${text}</span>`];
  return html`<li class=${isThis ? `now ${tone}` : tone} title=${text}>
    ${isLinked && !isThis ? html`<a href=${pageOf(runId)} class=${tone}>${shown}</a>` : shown}
  </li>`;
}

/** Returns the relative address of another run's page, from the page of a run. */
function pageOf(runId: string): string {
  return `../${encodeURIComponent(encodeURIComponent(runId.toWellFormed()))}/report.html`;
}
