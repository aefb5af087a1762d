import { type Child, type Html, html } from './html.ts';

interface Column {
  name: string;
  /** Aligns numbers at the right. */
  isNumber?: boolean;
  /** Gives long texts room. */
  isWide?: boolean;
}

export interface Table {
  /** Names the table, and the region that scrolls where the table is wider than the page. */
  caption: string;
  columns: readonly (string | Column)[];
  /** The first cell of each row is its heading. */
  rows: readonly (readonly Child[])[];
  /** The `data-status` of each row, which the filter reads. */
  statuses?: readonly string[];
}

export function table({ caption, columns, rows, statuses }: Table): Html {
  const heads = columns.map((column) => (typeof column === 'string' ? { name: column } : column));
  return html`<section class="scroll" aria-label=${caption} tabindex="0">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${heads.map(({ name, isNumber }) => html`<th scope="col" class=${isNumber && 'n'}>${name}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (cells, row) =>
            html`<tr data-s=${statuses?.[row]}>
              ${cells.map((cell, column) =>
                column === 0
                  ? html`<th scope="row">${cell}</th>`
                  : html`<td class=${classOf(heads[column])}>${cell}</td>`,
              )}
            </tr>`,
        )}
      </tbody>
    </table>
  </section>`;
}

function classOf({ isNumber, isWide }: Partial<Column> = {}): string | undefined {
  return isNumber ? 'n' : isWide ? 'w' : undefined;
}

/** Folds what few readers need. */
export function folded(summary: Child, content: Child): Html {
  return html`<details>
    <summary>${summary}</summary>
    ${content}
  </details>`;
}

export interface Section {
  id: string;
  title: string;
  content: Child;
}

export function section({ id, title, content }: Section): Html {
  return html`<section id=${id} aria-labelledby=${`${id}-title`}>
    <h2 id=${`${id}-title`}>${title}</h2>
    ${content}
  </section>`;
}
