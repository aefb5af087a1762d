import { changesInWords } from '../../functions/overrides/change-words.ts';
import { describeConnector } from '../../functions/overrides/connector-change.ts';
import type { HistoryEntry } from '../../functions/state/history.ts';
import { paper, type Screen } from './screen.ts';
import { shown, table, widthOf, wrap } from './table.ts';

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
