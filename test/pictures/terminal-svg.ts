import stringWidth from 'string-width';
import type { Piece, Style, Terminal } from './terminal.ts';

const [width, height, margin, bar] = [8.4, 20, 20, 32];

/** Both schemes in one file: a picture of a page follows the scheme of its reader. */
const style = `
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre;fill:#1f2328}
.back{fill:#f6f8fa;stroke:#d1d9e0}.dot{fill:#d1d9e0}
.bold{font-weight:700}.dim{fill:#59636e}.red{fill:#b3121d}.green{fill:#116329}.yellow{fill:#7a4d00}
@media (prefers-color-scheme:dark){
text{fill:#e6e9ed}.back{fill:#11151a;stroke:#3d444d}.dot{fill:#3d444d}
.dim{fill:#9198a1}.red{fill:#ff8b8b}.green{fill:#62d384}.yellow{fill:#f0b849}
}`;

/**
 * Draws the text on a terminal as SVG: sharp at every size, with the fonts of the reader.
 *
 * @param title tells what the picture shows
 */
export function svgOf(terminal: Terminal, title: string): string {
  const rows = terminal.rows();
  const [wide, high] = [Math.ceil(terminal.columns * width + 2 * margin), bar + rows.length * height + margin];
  const dots = [0, 1, 2].map((n) => `<circle class="dot" cx="${margin + 6 + n * 18}" cy="${bar / 2 + 2}" r="5"/>`);
  const lines = rows.map((pieces, row) => pieces.map((piece) => textOf(piece, bar + 15 + row * height)).join(''));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${wide} ${high}" width="${wide}" height="${high}" role="img">
<title>${escaped(title)}</title>
<style>${style}
</style>
<rect class="back" x=".5" y=".5" width="${wide - 1}" height="${high - 1}" rx="8"/>
${dots.join('')}
${lines.filter((line) => line !== '').join('\n')}
</svg>
`;
}

/** The length keeps columns straight in fonts of another width. */
function textOf({ column, text, style: painted }: Piece, y: number): string {
  const shown = text.trimEnd();
  const length = Number((stringWidth(shown) * width).toFixed(1));
  const place = `x="${Number((margin + column * width).toFixed(1))}" y="${y}" textLength="${length}"`;
  return `<text ${place}${classOf(painted)} lengthAdjust="spacingAndGlyphs">${escaped(shown)}</text>`;
}

function classOf({ colour, isBold, isDim }: Style): string {
  const names = [colour, isBold && 'bold', isDim && 'dim'].filter((name) => typeof name === 'string');
  return names.length === 0 ? '' : ` class="${names.join(' ')}"`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
