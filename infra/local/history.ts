import type { Report } from '../../functions/run/documents.ts';
import { RunDocuments } from '../../functions/run/run-documents.ts';
import type { ObjectStore } from '../../functions/store/object-store.ts';
import { table } from './summary.ts';

/** One past run. */
export interface HistoryEntry {
  runId: string;
  action: string;
  status: string;
  copied: number;
  changed: number;
  /** Whether `restore` can put back what was before it. */
  restorable: boolean;
}

/** Every run that this state folder knows, newest first. */
export async function readHistory(store: ObjectStore): Promise<HistoryEntry[]> {
  const keys = await store.list('runs/');
  const runs = keys.flatMap((key) => /^runs\/([^/]+)\/report\.json$/.exec(key)?.[1] ?? []);
  const entries = await Promise.all(
    runs.map(async (runId) => {
      const report = await new RunDocuments(store, runId).report.get();
      return entryOf(report, keys.includes(`runs/${runId}/snapshot.json`));
    }),
  );
  return entries.toSorted((a, b) => b.runId.localeCompare(a.runId));
}

export function historyTable(entries: readonly HistoryEntry[]): string {
  if (entries.length === 0) return 'No runs yet.\n';
  const lines = entries.map(({ runId, action, status, copied, changed, restorable }) => {
    return [runId, action, status, String(copied), String(changed), restorable ? 'yes' : ''];
  });
  return `${table(['Run', 'Action', 'Status', 'Copied', 'Changed', 'Restorable'], lines, lines.length)}\n`;
}

function entryOf({ runId, action, status, totals, config }: Report, restorable: boolean): HistoryEntry {
  const changed = config.filter((row) => row.status === 'updated' || row.status === 'reset').length;
  return { runId, action, status, copied: totals.copied, changed, restorable };
}
