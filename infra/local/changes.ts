import { partsOf } from '../../functions/overrides/change-words.ts';
import { describeConnector, plannedConnector } from '../../functions/overrides/connector-change.ts';
import type { ConfigResult, Plan } from '../../functions/state/documents.ts';
import { paint, type Screen } from './screen.ts';
import { type Cell, shown, table, wrap } from './table.ts';

/** The way a table is drawn. */
export interface Layout {
  /** The maximum number of rows of each table. */
  rows: number;
  screen: Screen;
}

/** A change with a note about it. */
export type Change = Pick<ConfigResult, 'module' | 'infrastructureType' | 'field' | 'from' | 'to'> & { note?: string };

/**
 * Renders changes of fields by configuration: `+` sets an override, `~` changes one, `-` removes one. Each has the value
 * before and after it.
 */
export function changeTable(changes: readonly Change[], { rows, screen }: Layout): string {
  const scopes = [...Map.groupBy(changes, scopeOf)].map(([scope, group]) => {
    const lines = group.map((change): Cell[] => {
      const { field, from, to, note = '' } = change;
      const full = `${valueOf(from)} → ${valueOf(to)}${note}`;
      return [signOf(change), field, { full, short: shortChange(change) + note }];
    });
    const drawn = table(['', '', ''], lines, { rows, columns: screen.columns && screen.columns - indent.length });
    const head = `${scope}: ${plural(group.length, 'field')}${destination(group)}`;
    return `${paint(screen, 'bold', wrap(shown(head), screen.columns))}\n${marked(drawn.replaceAll(/^/gm, indent), screen)}`;
  });
  return scopes.join('\n\n');
}

const indent = '  ';

/** Renders the changes that a run will make, for the confirmation. */
export function describeChanges({ changes, connector }: Plan, screen: Screen): string {
  const moved = connector && `~ ${shown(describeConnector(plannedConnector(connector)))}`;
  const fields = changeTable(changes, { rows: changes.length, screen });
  return [moved && marked(moved, screen), fields].filter(Boolean).join('\n\n');
}

/** Paints lines by the sign that they begin with. */
export function marked(text: string, screen: Screen): string {
  return text.replaceAll(/^( *)([-+~]) .*$/gm, (line, _: string, sign: string) => paint(screen, styleOf(sign), line));
}

function styleOf(sign: string): 'green' | 'yellow' | 'red' {
  return sign === '+' ? 'green' : sign === '~' ? 'yellow' : 'red';
}

function signOf({ from, to }: Change): string {
  return from === null ? '+' : to === null ? '-' : '~';
}

/** Returns the place that all changes lead to, if it is one. */
function destination(changes: readonly Change[]): string {
  const places = new Set(changes.map(({ to }) => (to === null ? valueOf(null) : partsOf(to).place)));
  const [place] = places;
  return places.size === 1 && place ? ` → ${place}` : '';
}

function shortChange({ from, to }: Change): string {
  const [before, after] = [from === null ? undefined : partsOf(from), to === null ? undefined : partsOf(to)];
  if (before && after && before.place === after.place && before.name === after.name && after.version)
    return `${shortValue(from)} → ${after.version}`;
  // The sign says that there was no override.
  if (!before) return shortValue(to);
  return `${shortValue(from)} → ${shortValue(to)}`;
}

/** Leaves out all of a value above its name: `…/ci-addon:1.18.27`. */
export function shortValue(value: string | null): string {
  if (value === null) return valueOf(value);
  return partsOf(value).place === '' ? value : `…${value.slice(value.lastIndexOf('/'))}`;
}

export function valueOf(override: string | null): string {
  return override ?? "Harness's own";
}

export function scopeOf({ module, infrastructureType }: Pick<Change, 'module' | 'infrastructureType'>): string {
  return `${module} ${infrastructureType}`;
}

export function shorten(names: readonly string[]): string {
  const first = names.slice(0, 3).join(', ');
  return names.length > 3 ? `${first} and ${names.length - 3} more` : first;
}

export function plural(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
