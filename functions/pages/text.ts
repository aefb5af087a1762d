import { redacted } from '../http/redact.ts';
import { piecesOf, printable } from '../text/printable.ts';
import { type Child, html } from './html.ts';

/** The most characters of a text of other parties. */
const textLimit = 1_000;

/** Shows a text of other parties in one line. Characters that are invisible or reorder others become their code points. */
export function line(text: string, limit = textLimit): Child {
  return shown(text.replaceAll(/\s+/g, ' ').trim(), limit);
}

/** Makes a text of other parties safe for an attribute that people read. */
export function attribute(text: string): string {
  return printable(redacted(text), 100);
}

/** Shows a text of other parties with its line breaks. */
export function block(text: string, limit = textLimit): Child {
  return html`<pre>${text.split('\n').length > 1 ? lines(text, limit) : shown(text, limit)}</pre>`;
}

function lines(text: string, limit: number): Child {
  const [cut, rest] = cutAt(redacted(text), limit);
  return [cut.split(/\r?\n/).map((each, index) => [index > 0 && '\n', boxed(each)]), rest];
}

function shown(text: string, limit: number): Child {
  const [cut, rest] = cutAt(redacted(text), limit);
  return [boxed(cut), rest];
}

/** Redact before: half of a secret looks like none. */
function cutAt(text: string, limit: number): [cut: string, rest: string | false] {
  if (text.length <= limit) return [text, false];
  // Do not cut a surrogate pair in half.
  const cut = text.slice(0, limit).replace(/[\uD800-\uDBFF]$/, '');
  return [cut, ` … and ${text.length - cut.length} more characters`];
}

function boxed(text: string): Child {
  return piecesOf(text).map((piece) =>
    'text' in piece ? piece.text : html`<span class="code-point">${piece.codePoint}</span>`,
  );
}
