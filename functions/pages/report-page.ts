import type { HistoryEntry } from '../state/history.ts';
import type { Report } from '../state/documents.ts';
import { carriage, checks } from './carried.ts';
import { incomplete, pulls, registries, scans, waiting, warnings } from './details.ts';
import { fields } from './fields.ts';
import { bytes, duration, time } from './formats.ts';
import { renderPage, tiles } from './frame.ts';
import { type Child, type Html, html } from './html.ts';
import { factList, failures, imageList } from './images.ts';
import { strip } from './strip.ts';
import type { Section } from './table.ts';
import { block, line } from './text.ts';
import { timeLine } from './time-line.ts';
import { verdict, when } from './verdict.ts';

/** The surroundings of a page. */
export interface PageContext {
  /** The command that puts Harness back as it was before the run. */
  restore?: string | undefined;
  /** The address of the execution in the console of AWS. */
  execution?: string | undefined;
  /** Relative addresses of the report and of the history, where the page is read from a folder. */
  files?: { report: string; history?: string } | undefined;
  /** The last runs, the newest first, this one among them. */
  recent?: readonly HistoryEntry[];
}

/** Renders the report of a run as a page that is complete in one file. */
export function reportPage(report: Report, context: PageContext = {}): string {
  const { action, status } = report;
  const sections = [
    checks(report),
    failures(report),
    incomplete(report),
    fields(report, context.restore),
    imageList(report),
    carriage(report),
    pulls(report),
    scans(report),
    registries(report),
    timeLine(report),
    ...waiting(report),
    warnings(report),
    run(report, context),
  ];
  const { recent, files } = context;
  return renderPage({
    title: `${action} ${status}`,
    heading: action,
    time: when(report),
    lead: [verdict(report), counts(report), recent && strip(recent, report.runId, files?.history !== undefined)],
    // A skipped run did nothing that a reader must know.
    sections:
      status === 'SKIPPED' ? sections.filter((each) => each?.id === 'warnings' || each?.id === 'run') : sections,
    footer: 'Everything on this page is from report.json, which is the contract for programs.',
  });
}

/** Shows the counts of images and bytes. */
function counts({ action, totals, images }: Report): Html | undefined {
  if (totals.images === 0) return undefined;
  const { copied, repaired = 0, skipped, failed, bytesTransferred, bytesSkipped } = totals;
  const planned = images.filter(({ status }) => status === 'planned').length;
  const all = bytesTransferred + bytesSkipped;
  const share = all === 0 ? '' : ` (${Math.floor((100 * bytesSkipped) / all)}\u00A0%)`;
  const isPlan = action === 'plan';
  const figures: [string, string | number, boolean][] = [
    ['images', totals.images, true],
    ['copied', copied, !isPlan && action !== 'verify'],
    ['repaired', repaired, repaired > 0],
    [isPlan ? 'to copy' : 'not copied', planned, planned > 0],
    ['already there', skipped, true],
    ['failed', failed, failed > 0],
    [isPlan ? 'to move, at most' : 'moved', bytes(bytesTransferred), action !== 'verify'],
    [`not moved${share}`, bytes(bytesSkipped), bytesSkipped > 0],
  ];
  return tiles(figures.filter(([, , isShown]) => isShown).map(([name, value]) => [name, value]));
}

const triggers = {
  schedule: 'the schedule',
  webhook: 'the webhook',
  execution: 'an execution that somebody or something started',
  command: 'the command',
} as const;

function run(report: Report, { execution, files }: PageContext): Section {
  const {
    runId,
    action,
    accountId,
    registry,
    trigger,
    startedBy,
    startedAt,
    endedAt,
    nextRun,
    factory,
    input,
    totals,
  } = report;
  const facts: [string, Child | undefined][] = [
    ['Run', html`<code>${line(runId)}</code>`],
    ['Action', action],
    ['Started', startedAt !== undefined && time(startedAt)],
    ['Ended', endedAt !== undefined && [time(endedAt), ` · ${duration(totals.durationMs)}`]],
    ['Next run', nextRun !== undefined && [time(nextRun), ', by the schedule']],
    ['Started by', startedBy === undefined ? trigger && triggers[trigger] : line(startedBy)],
    ['Harness account', accountId !== undefined && line(accountId)],
    ['Registry', registry !== undefined && line(registry)],
    ['Release', factory !== undefined && line(factory)],
    ['Execution', execution !== undefined && html`<a href=${execution}>in the console of Step Functions</a>`],
    ['For programs', files && html`<a href=${files.report}>report.json</a>`],
    ['All runs', files?.history !== undefined && html`<a href=${files.history}>history</a>`],
    ['Input', input && block(JSON.stringify(input, null, 2), 20_000)],
  ];
  return { id: 'run', title: 'Run', content: factList(facts) };
}
