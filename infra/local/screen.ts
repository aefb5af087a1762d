import { styleText } from 'node:util';

/** The place that a text is written to. */
export interface Screen {
  /** The width of the terminal; absent for a file or a pipe, where nothing is shortened. */
  columns?: number;
  /** Set where colours may be written. */
  colours?: true;
}

/** A file or a pipe. */
export const paper: Screen = {};

/**
 * Returns the properties of a stream. A terminal gets no colours with NO_COLOR (https://no-color.org), with
 * `TERM=dumb`, or when `colours` is false.
 */
export function screenOf(stream: NodeJS.WriteStream, colours = true): Screen {
  if (!stream.isTTY) return paper;
  const paints = colours && !process.env['NO_COLOR'] && stream.hasColors();
  return { columns: columnsOf(stream), ...(paints && { colours: true }) };
}

/** Below it, nothing is readable. */
const narrowest = 40;

/** Returns the width of a terminal. Some consoles report none, or 0: they get the usual 80 columns. */
export function columnsOf({ columns }: { columns?: number | undefined }): number {
  return Math.max(narrowest, columns || 80);
}

/** Paints a text where the screen has colours. */
export function paint(screen: Screen, style: 'green' | 'yellow' | 'red' | 'bold' | 'dim', text: string): string {
  // Decided by `screenOf` for the stream that the text is for.
  return screen.colours ? styleText(style, text, { validateStream: false }) : text;
}
