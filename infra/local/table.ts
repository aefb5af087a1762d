import stringWidth from 'string-width';
import { cellLimit, printable } from '../../functions/text/printable.ts';

/** The text of a cell, with a shorter one for a table that is too wide otherwise. */
export type Cell = string | { full: string; short: string };

interface TableOptions {
  /** The maximum number of rows. Default: all. */
  rows?: number;
  /** The width that no row exceeds. Default: none. */
  columns?: number | undefined;
}

const gap = 2;

/**
 * Lays cells out in columns without rules, which survive logs and mails. Where the width is limited, takes the shorter
 * texts, and cuts the longest cells in the middle. A head without texts is left out.
 */
export function table(head: readonly string[], lines: readonly Cell[][], options: TableOptions = {}): string {
  const { rows = lines.length, columns = Infinity } = options;
  if (lines.length === 0) return '';
  const drawn = lines.slice(0, rows);
  const titles = head.some(Boolean) ? [[...head]] : [];
  const texts = (form: 'full' | 'short') =>
    [...titles, ...drawn].map((cells) => cells.map((cell) => shown(typeof cell === 'string' ? cell : cell[form])));
  let cells = texts('full');
  let widths = widthsOf(cells);
  if (total(widths) > columns) {
    cells = texts('short');
    widths = limited(widthsOf(cells), columns);
  }
  const text = cells
    .map((line) =>
      line
        .map((cell, column) => padded(cutMiddle(cell, widths[column] ?? Infinity), widths[column] ?? 0))
        .join(' '.repeat(gap))
        .trimEnd(),
    )
    .join('\n');
  return lines.length > rows ? `${text}\n… and ${lines.length - rows} more` : text;
}

/** Makes a text safe to show in a cell. */
export function shown(text: string): string {
  return printable(text, cellLimit);
}

/** Shortens a text in the middle to a width in columns: the beginning and the end of a name tell most. */
export function cutMiddle(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  const signs = [...graphemes.segment(text)].map(({ segment }) => segment);
  // The end has the version.
  const tail = start(signs.toReversed(), Math.ceil((width - 1) / 2)).toReversed();
  const head = start(signs, width - 1 - stringWidth(tail.join('')));
  return `${head.join('')}…${tail.join('')}`;
}

/** Breaks a text between words into lines of at most `columns`. A longer word keeps its line. */
export function wrap(text: string, columns = Infinity): string {
  return text
    .split('\n')
    .map((line) => {
      const indent = /^ */.exec(line)?.[0] ?? '';
      const lines = [''];
      for (const word of line.slice(indent.length).split(' ')) {
        const last = lines.at(-1) ?? '';
        const longer = last === '' ? indent + word : `${last} ${word}`;
        if (last !== '' && stringWidth(longer) > columns) lines.push(indent + word);
        else lines[lines.length - 1] = longer;
      }
      return lines.join('\n');
    })
    .join('\n');
}

const graphemes = new Intl.Segmenter();

/** Returns the first graphemes that fit a width. */
function start(signs: readonly string[], width: number): string[] {
  let left = width;
  const end = signs.findIndex((sign) => (left -= stringWidth(sign)) < 0);
  return signs.slice(0, end < 0 ? signs.length : end);
}

/** Returns the width of the widest line. */
export function widthOf(text: string): number {
  return Math.max(...text.split('\n').map((line) => stringWidth(line)));
}

function widthsOf(lines: readonly string[][]): number[] {
  const count = Math.max(...lines.map(({ length }) => length));
  return Array.from({ length: count }, (_, column) =>
    Math.max(...lines.map((cells) => stringWidth(cells[column] ?? ''))),
  );
}

function total(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, gap * (widths.length - 1));
}

/** Limits the widest columns to one width, so that the sum fits. Narrower columns stay whole. */
function limited(widths: readonly number[], columns: number): number[] {
  let left = columns - gap * (widths.length - 1);
  let most = Infinity;
  for (const [index, width] of widths.toSorted((a, b) => a - b).entries()) {
    const share = Math.floor(left / (widths.length - index));
    if (width > share) {
      most = share;
      break;
    }
    left -= width;
  }
  return widths.map((width) => Math.min(width, Math.max(1, most)));
}

function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - stringWidth(text)));
}
