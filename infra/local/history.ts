import pLimit from 'p-limit';
import type { ConfigResult, ConnectorResult, Report } from '../../functions/state/documents.ts';
import { RunDocuments, runsAmong } from '../../functions/state/run-documents.ts';
import type { ObjectStore } from '../../functions/state/object-store.ts';
import { changesInWords } from '../../functions/overrides/change-words.ts';
import { describeConnector } from '../../functions/overrides/connector-change.ts';
import { paper, type Screen } from './screen.ts';
import { shown, table, widthOf, wrap } from './table.ts';

export interface HistoryEntry {
  runId: string;
  /** Absent if the run failed before it had a plan. */
  startedAt?: string;
  action: string;
  /** `UNFINISHED`: in progress, or killed before it could report. */
  status: Report['status'] | 'UNFINISHED';
  copied: number;
  /** The fields that differ after the run. */
  changes: Omit<ConfigResult, 'reason'>[];
  /** The change of the connector, when the run made one that lasts. */
  connector?: ConnectorResult;
  /** True if `restore` can restore the configuration from before the run. */
  restorable: boolean;
}

/** The runs whose documents are read at the same time: a bucket keeps those of 90 days. */
const readsAtOnce = 20;

/** Lists every run in the state, the newest first. */
export async function readHistory(store: ObjectStore): Promise<HistoryEntry[]> {
  const keys = await store.list('runs/');
  const restorable = new Set(runsAmong(keys, ['snapshot.json']));
  const runs = runsAmong(keys, ['plan.json', 'report.json']);
  const entries = await pLimit(readsAtOnce).map(runs, (runId) =>
    entryOf(new RunDocuments(store, runId), restorable.has(runId)),
  );
  const when = ({ startedAt = '', runId }: HistoryEntry) => startedAt || timeIn(runId);
  return entries.toSorted((a, b) => when(b).localeCompare(when(a)));
}

/**
 * Renders the runs with what each changed. A screen that is too narrow for a table gets the changes in lines of their
 * own.
 */
export function historyTable(entries: readonly HistoryEntry[], screen: Screen = paper): string {
  if (entries.length === 0) return 'No runs yet.\n';
  const lines = entries.map(({ runId, action, status, copied, changes, restorable }) => {
    return [runId, action, status, String(copied), String(changes.length), restorable ? 'yes' : ''];
  });
  const head = ['Run', 'Action', 'Status', 'Copied', 'Fields', 'Restorable'];
  const changed = entries.map(whatChanged);
  const whole = table(
    [...head, 'Changed'],
    lines.map((cells, index) => [...cells, changed[index] ?? '']),
  );
  const { columns } = screen;
  if (columns === undefined || widthOf(whole) <= columns) return `${whole}\n`;
  const [title, ...rows] = table(head, lines, { columns }).split('\n');
  const blocks = rows.map((row, index) => [row, wrap(`  ${shown(changed[index] ?? '')}`, columns)]);
  return `${[title, ...blocks.flat()].filter((line) => line?.trim()).join('\n')}\n`;
}

/** Describes what is different after a run. */
function whatChanged({ changes, connector }: HistoryEntry): string {
  const fields = changes.filter(({ from, to }) => from !== to);
  return [
    ...(connector ? [describeConnector(connector)] : []),
    ...(fields.length > 0 ? [changesInWords(fields)] : []),
  ].join('; ');
}

async function entryOf(documents: RunDocuments, restorable: boolean): Promise<HistoryEntry> {
  const { runId } = documents;
  const plan = await documents.plan.find();
  const head = { runId, ...(plan && { startedAt: plan.startedAt }) };
  const report = await documents.report.find();
  const rows = report?.config ?? (await documents.config.find()) ?? [];
  const changes = rows
    .filter(({ status }) => status === 'updated' || status === 'reset')
    .map(({ reason: _, ...row }) => row);
  if (report) {
    const { action, status, totals, connector } = report;
    const moved = connector?.status === 'changed' && { connector };
    return { ...head, action, status, copied: totals.copied, changes, ...moved, restorable };
  }
  const { action } = plan ?? (await documents.plan.get());
  return { ...head, action, status: 'UNFINISHED', copied: 0, changes, restorable };
}

/** Parses the start time in the id of a local run: `20261122T175452Z-1a2b3c`. */
function timeIn(runId: string): string {
  return runId.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z.*$/, '$1-$2-$3T$4:$5:$6.000Z');
}
