import type { ConfigResult } from '../../functions/state/documents.ts';
import { type Layout, scopeOf, shorten, shortValue, valueOf } from './changes.ts';
import { type Cell, shown, table, widthOf, wrap } from './table.ts';

/** Fields with the same reason that still get a row each. */
const ownRows = 3;

/** Renders fields by status, with the reason where a field was left alone. A narrow screen gets the reasons below it. */
export function configTable(config: readonly ConfigResult[], { rows, screen: { columns } }: Layout): string {
  const groups = [
    ...Map.groupBy(config, (row) => JSON.stringify([scopeOf(row), row.status, row.from === row.to, noteOf(row)])),
  ];
  const draw = (note: (text: string) => string, width?: number) => {
    const lines = groups.flatMap(([, group]) => linesOf(group, note));
    return table(['Config', 'Field', 'Status', 'Image'], lines, { rows, columns: width });
  };
  const whole = draw((text) => text);
  if (columns === undefined || widthOf(whole) <= columns) return whole;
  const notes = [...new Set(config.map(noteOf).filter(Boolean))];
  const drawn = draw((text) => (text === '' ? '' : ` (${notes.indexOf(text) + 1})`), columns);
  const legend = notes.map((text, index) => wrap(`(${index + 1}) ${shown(text.trim().slice(1, -1))}`, columns));
  return [drawn, ...legend].join('\n');
}

function linesOf(group: readonly ConfigResult[], note: (text: string) => string): Cell[][] {
  const [first] = group;
  const isOne = first?.reason !== undefined && first.from === first.to && group.length > ownRows;
  if (!isOne)
    return group.map((row) => {
      const end = note(noteOf(row));
      return [
        scopeOf(row),
        row.field,
        row.status,
        { full: changeOf(row) + end, short: changeOf(row, shortValue) + end },
      ];
    });
  const others = new Set(group.map(({ from }) => from)).size - 1;
  const value = valueOf(first.from) + (others > 0 ? ` and ${others} more` : '');
  return [[scopeOf(first), shorten(group.map(({ field }) => field)), first.status, value + note(noteOf(first))]];
}

function changeOf({ from, to }: ConfigResult, written = valueOf): string {
  return from === to ? written(from) : `${written(from)} → ${written(to)}`;
}

/** Returns the reason for leaving a field alone, and by how much it is behind, in parentheses. */
export function noteOf({ from, to, reason, behind }: ConfigResult): string {
  const notes = [from === to && reason, behind && describeLag(behind)].filter(Boolean);
  return notes.length === 0 ? '' : ` (${notes.join('; ')})`;
}

function describeLag({ by, official, harness }: NonNullable<ConfigResult['behind']>): string {
  const version = official.slice(official.lastIndexOf(':') + 1);
  return `${by} behind ${version}${harness === undefined ? '' : `; Harness reports it as ${harness}`}`;
}
