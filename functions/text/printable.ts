/**
 * Matches characters that control a terminal, end a line, are invisible, or reorder others: controls (C0, C1, DEL),
 * format characters, lone surrogates, unassigned and private-use characters, and line and paragraph separators.
 * https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
 */
const unprintable = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
const runs = new RegExp(`${unprintable.source}+`, 'gu');

/** The maximum number of characters in a table cell or in a row of a mail. */
export const cellLimit = 1_000;

/**
 * Makes untrusted text safe to display: one line of at most `limit` characters, without those that control a terminal,
 * are invisible, or reorder others. For display only: compare and write back the original.
 */
export function printable(text: string, limit = 300): string {
  // Bound the input first. It may begin with blanks, so allow more than the limit.
  const line = text
    .slice(0, 8 * limit)
    .replaceAll(runs, ' ')
    .trim();
  // Do not cut a surrogate pair in half.
  return line.length > limit ? `${line.slice(0, limit - 1).replace(/[\uD800-\uDBFF]$/, '')}…` : line;
}

/** Renders JSON with unprintable characters escaped, so that it is safe on a terminal and parses to the same value. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replaceAll(unprintable, (character) =>
    character === '\n' ? character : character.split('').map(escaped).join(''),
  );
}

function escaped(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

type Piece = { text: string } | { codePoint: string };

/** Divides a text into printable pieces and the code points of other characters: `U+202E`. */
export function piecesOf(text: string): Piece[] {
  return text
    .split(oneUnprintable)
    .filter((piece) => piece !== '')
    .map((piece) => (onlyUnprintable.test(piece) ? { codePoint: codePointOf(piece) } : { text: piece }));
}

const oneUnprintable = new RegExp(`(${unprintable.source})`, 'u');
const onlyUnprintable = new RegExp(`^${unprintable.source}$`, 'u');

function codePointOf(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}
