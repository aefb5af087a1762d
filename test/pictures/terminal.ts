import { spawn } from 'node:child_process';

/** The paint of a character. */
export interface Style {
  colour?: 'red' | 'green' | 'yellow' | undefined;
  isBold?: true;
  isDim?: true;
}

interface Cell {
  text: string;
  style: Style;
}

/** Characters beside each other that are painted alike. */
export interface Piece extends Cell {
  column: number;
}

const pattern = /\u001b\[(?<values>[?\d;]*)(?<end>[A-Za-z])|(?<unknown>\u001b)|(?<text>[^])/gu;
const colours: Readonly<Record<string, Style['colour']>> = { 31: 'red', 32: 'green', 33: 'yellow', 39: undefined };

/** A terminal, as far as the command uses one. Throws at a sequence that it does not know: it would draw nonsense. */
export class Terminal {
  readonly columns: number;
  readonly #rows: Cell[][] = [];
  #row = 0;
  #column = 0;
  #wraps = true;
  #style: Style = {};

  constructor(columns: number) {
    this.columns = columns;
  }

  write(text: string): void {
    for (const { groups: { values = '', end, unknown, text: character = '' } = {} } of text.matchAll(pattern)) {
      if (unknown !== undefined) throw new Error('the terminal knows no such sequence');
      if (end === undefined) this.#put(character);
      else this.#control(end, values);
    }
  }

  /** Returns the rows up to the last one with text. */
  rows(): Piece[][] {
    const rows = Array.from({ length: this.#rows.length }, (_, row) => piecesOf(this.#rows[row] ?? []));
    return rows.slice(0, rows.findLastIndex((row) => row.length > 0) + 1);
  }

  #put(character: string): void {
    if (character === '\r') this.#column = 0;
    else if (character === '\n') this.#row++;
    else {
      if (this.#column >= this.columns) {
        if (!this.#wraps) return;
        this.#row++;
        this.#column = 0;
      }
      for (let row = this.#rows.length; row <= this.#row; row++) this.#rows.push([]);
      const row = this.#rows[this.#row] ?? [];
      for (let column = row.length; column < this.#column; column++) row.push({ text: ' ', style: {} });
      row[this.#column++] = { text: character, style: this.#style };
    }
  }

  /** https://www.ecma-international.org/publications-and-standards/standards/ecma-48/, and the private modes of xterm. */
  #control(end: string, values: string): void {
    const count = Number(values) || 1;
    const row = this.#rows[this.#row] ?? [];
    if (end === 'm') for (const value of values.split(';')) this.#paint(value);
    else if (end === 'A') this.#row = Math.max(0, this.#row - count);
    else if (end === 'B') this.#row += count;
    else if (end === 'C') this.#column += count;
    else if (end === 'D') this.#column = Math.max(0, this.#column - count);
    else if (end === 'G') this.#column = count - 1;
    else if (end === 'K') row.splice(values === '2' ? 0 : this.#column);
    else if (end === 'J' && Number(values) === 0) {
      row.splice(this.#column);
      this.#rows.splice(this.#row + 1);
    } else if (values === '?7') this.#wraps = end === 'h';
    // The cursor is not drawn.
    else if (values !== '?25') throw new Error(`the terminal knows no sequence ${values}${end}`);
  }

  #paint(value: string): void {
    const { isBold: _, isDim: __, ...plain } = this.#style;
    if (value === '' || value === '0') this.#style = {};
    else if (value === '1') this.#style = { ...this.#style, isBold: true };
    else if (value === '2') this.#style = { ...this.#style, isDim: true };
    else if (value === '22') this.#style = plain;
    else if (value in colours) this.#style = { ...this.#style, colour: colours[value] };
    else throw new Error(`the terminal knows no style ${value}`);
  }
}

function piecesOf(row: readonly Cell[]): Piece[] {
  const pieces: Piece[] = [];
  for (const [column, { text, style }] of row.entries()) {
    const last = pieces.at(-1);
    if (last?.style === style) last.text += text;
    else pieces.push({ column, text, style });
  }
  return pieces.filter(({ text }) => text.trim() !== '');
}

interface Command {
  /** The command line as a person writes it. */
  shown: string;
  program: string;
  args: readonly string[];
  environment: Readonly<Record<string, string>>;
  /** The answer to a question that matches. */
  answer?: { question: RegExp; text: string };
}

/** Runs a command on a terminal and returns its exit code. `script` of util-linux makes a pseudo-terminal of it. */
export async function runOn(terminal: Terminal, command: Command): Promise<number> {
  const { shown, program, args, environment } = command;
  terminal.write(`\u001b[1m$ ${shown}\u001b[22m\r\n`);
  const words = [program, ...args].map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(' ');
  const line = `stty cols ${terminal.columns} rows 40; exec ${words}`;
  const child = spawn('script', ['-qec', line, '/dev/null'], {
    env: { ...environment, TERM: 'xterm-256color', SHELL: '/bin/sh' },
  });
  let { answer } = command;
  let written = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    written += text;
    if (!answer?.question.test(written)) return;
    child.stdin.write(answer.text);
    answer = undefined;
  });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.on('error', reject);
  child.on('close', (code) => resolve(code ?? 1));
  const code = await promise;
  terminal.write(written);
  return code;
}
