import * as z from 'zod';
import pLimit from 'p-limit';
import type { Plan, Report } from './documents.ts';
import { config, connectorResult, report as reportSchema } from './documents.ts';
import { getJson, type ObjectStore, updateJson } from './object-store.ts';
import { RunDocuments, runsAmong } from './run-documents.ts';
import { versioned } from './schema.ts';

const { status, harness } = reportSchema.shape;
const text = z.string();
const count = z.number();

const entry = z.object({
  runId: text,
  /** Absent if the run failed before it had a plan. */
  startedAt: text.exactOptional(),
  action: text,
  /** `UNFINISHED`: in progress, or killed before it could report. */
  status: z.enum([...status.options, 'UNFINISHED']),
  copied: count,
  /** The fields that differ after the run. */
  changes: z.array(config.element.omit({ reason: true })),
  /** The change of the connector, when the run made one that lasts. */
  connector: connectorResult.exactOptional(),
  /** True if `restore` can restore the configuration from before the run. */
  restorable: z.boolean(),
  harness,
  images: count.exactOptional(),
  failed: count.exactOptional(),
  bytesTransferred: count.exactOptional(),
  bytesSkipped: count.exactOptional(),
  durationMs: count.exactOptional(),
  /** The name of the error that ended the run. */
  error: text.exactOptional(),
});
/** A run as the history lists it. */
export type HistoryEntry = z.output<typeof entry>;

/** The runs that the list in the store has. */
const mostRuns = 500;
/** The runs whose documents are read at the same time: a bucket keeps those of 90 days. */
const readsAtOnce = 20;

const key = 'history.json';
const schema = versioned({
  content: z.object({ runs: z.array(entry) }),
  cure: 'Delete it: the next run writes it again.',
});

/** Reads every run in the state, the newest first. */
export async function readHistory(store: ObjectStore): Promise<HistoryEntry[]> {
  const keys = await store.list('runs/');
  const restorable = new Set(runsAmong(keys, ['snapshot.json']));
  const runs = runsAmong(keys, ['plan.json', 'report.json']);
  const entries = await pLimit(readsAtOnce).map(runs, (runId) =>
    readEntry(new RunDocuments(store, runId), restorable.has(runId)),
  );
  return newestFirst(entries);
}

/**
 * Adds a run to the list in the store and returns the list, the newest run first. The list spares each run the reading
 * of all others; where there is none, every run is read once.
 */
export async function noteRun(store: ObjectStore, noted: HistoryEntry): Promise<HistoryEntry[]> {
  let list: HistoryEntry[] = [];
  const known = await recentRuns(store);
  await updateJson(store, key, schema, (stored) => {
    const others = (stored?.runs ?? known).filter(({ runId }) => runId !== noted.runId);
    list = newestFirst([noted, ...others]).slice(0, mostRuns);
    return { runs: list };
  });
  return list;
}

/** Returns the runs that have a report, the newest first, from the list in the store where there is one. */
export async function recentRuns(store: ObjectStore): Promise<HistoryEntry[]> {
  const listed = await getJson(store, key, schema);
  return listed?.runs ?? (await readHistory(store)).filter(({ status }) => status !== 'UNFINISHED');
}

/** Returns the entry of a run that has a report. */
export function entryOf(report: Report, restorable: boolean, plan?: Pick<Plan, 'startedAt'>): HistoryEntry {
  const { runId, action, status, totals, connector, harness, error, config, startedAt = plan?.startedAt } = report;
  return {
    runId,
    ...(startedAt !== undefined && { startedAt }),
    action,
    status,
    copied: totals.copied,
    changes: lasting(config),
    ...(connector?.status === 'changed' && { connector }),
    restorable,
    ...(harness && { harness }),
    images: totals.images,
    failed: totals.failed,
    bytesTransferred: totals.bytesTransferred,
    bytesSkipped: totals.bytesSkipped,
    durationMs: totals.durationMs,
    ...(error && { error: error.name }),
  };
}

async function readEntry(documents: RunDocuments, restorable: boolean): Promise<HistoryEntry> {
  const { runId } = documents;
  const plan = await documents.plan.find();
  const report = await documents.report.find();
  if (report) return entryOf(report, restorable, plan);
  const { action, startedAt } = plan ?? (await documents.plan.get());
  const changes = lasting((await documents.config.find()) ?? []);
  return { runId, startedAt, action, status: 'UNFINISHED', copied: 0, changes, restorable };
}

function lasting(rows: Report['config']): HistoryEntry['changes'] {
  return rows.filter(({ status }) => status === 'updated' || status === 'reset').map(({ reason: _, ...row }) => row);
}

function newestFirst(entries: readonly HistoryEntry[]): HistoryEntry[] {
  const when = ({ startedAt = '', runId }: HistoryEntry) => startedAt || timeIn(runId);
  return entries.toSorted((a, b) => when(b).localeCompare(when(a)));
}

/** Parses the start time in the id of a local run: `20261122T175452Z-1a2b3c`. */
function timeIn(runId: string): string {
  return runId.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z.*$/, '$1-$2-$3T$4:$5:$6.000Z');
}
