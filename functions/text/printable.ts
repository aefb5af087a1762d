/**
 * Characters that drive a terminal, end a line, cannot be seen, or turn the order of others: controls (C0, C1, DEL),
 * format characters, lone surrogates, unassigned and private ones, and line and paragraph separators.
 * https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
 */
const unprintable = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
const runs = new RegExp(`${unprintable.source}+`, 'gu');

/** Characters that a cell of a table, or a row of a mail, shows of a text. */
export const cellLimit = 1_000;

/**
 * Makes text from outside fit to be shown: one line of at most `limit` characters, without those that drive a terminal,
 * hide, or turn the order of others. For display only: what is compared or written back stays as it came.
 */
export function printable(text: string, limit = 300): string {
  // Bounded before it is looked at, too; a text may begin with blanks.
  const line = text
    .slice(0, 8 * limit)
    .replaceAll(runs, ' ')
    .trim();
  // A cut must not leave half of a surrogate pair.
  return line.length > limit ? `${line.slice(0, limit - 1).replace(/[\uD800-\uDBFF]$/, '')}…` : line;
}

/** JSON whose strings hold the same characters as escapes: a terminal can show it, and its reader loses nothing. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replaceAll(unprintable, (character) =>
    character === '\n' ? character : character.split('').map(escaped).join(''),
  );
}

function escaped(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
