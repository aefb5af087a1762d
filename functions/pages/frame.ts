import { document } from './document.ts';
import { type Child, type Html, html } from './html.ts';
import { section, type Section } from './table.ts';

/** The parts of a page. Heading and title are texts of ours. */
export interface Frame {
  title: string;
  heading: string;
  /** Stands beside the heading. */
  time: Child;
  /** Answers the first questions, before the list of sections. */
  lead: Child;
  sections: readonly (Section | undefined)[];
  footer: string;
}

/** Renders a page: heading, answers, a list of the sections, the sections. */
export function renderPage({ title, heading, time, lead, sections, footer }: Frame): string {
  const shown = sections.filter((each) => each !== undefined);
  return document(
    `${title} · Harness CI images`,
    html`<header>
        <div class="top">
          <h1>Harness CI images: ${heading}</h1>
          <p class="dim">${time}</p>
        </div>
      </header>
      <main id="main">
        ${lead}
        <nav aria-label="On this page">
          <ul>
            ${shown.map(({ id, title: name }) => html`<li><a href=${`#${id}`}>${name}</a></li>`)}
          </ul>
        </nav>
        ${shown.map(section)}
      </main>
      <footer><p>${footer}</p></footer>`,
  );
}

/** Shows figures large, each with its name. */
export function tiles(figures: readonly (readonly [name: string, value: Child])[]): Html {
  return html`<dl class="tiles">
    ${figures.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}
