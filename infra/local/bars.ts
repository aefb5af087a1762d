import { MultiBar, type Params, Presets, type SingleBar } from 'cli-progress';
import prettyBytes from 'pretty-bytes';
import type { ProgressEvent } from '../../functions/runtime/runtime.ts';
import { printable } from '../../functions/text/printable.ts';
import { follow, lineOf } from './progress-lines.ts';
import { columnsOf } from './screen.ts';
import { cutMiddle, wrap } from './table.ts';
import { duration, Transfer } from './transfer.ts';

/** Live bars on a terminal: one for all copies with rate, time left and the current wait, and one for each copy. */
export class Bars {
  readonly #stream: NodeJS.WriteStream;
  readonly #bars: MultiBar;
  readonly #open = new Map<string, SingleBar>();
  readonly #transfer = new Transfer();
  #whole: SingleBar | undefined;
  /** The wait that ends last. */
  #wait: { subject: string; until: number } | undefined;
  /** True from the first bar on. Before it nothing draws, and what is logged would wait. */
  #draws = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#bars = new MultiBar(
      {
        stream,
        clearOnComplete: true,
        hideCursor: true,
        // The command handles interruptions: it still has to roll back.
        gracefulExit: false,
        format: (_options, params, { image }: { image: string }) => this.#rowOf(params, image),
      },
      Presets.shades_grey,
    );
  }

  handle(event: ProgressEvent): void {
    follow(this.#transfer, event);
    if (event.kind === 'copying') {
      this.#draws = true;
      // Above the bars of images. Its text is all that is drawn.
      const format = () => this.#summary();
      this.#whole ??= this.#bars.create(1, 0, {}, { format });
    } else if (event.kind === 'image-started') {
      this.#draws = true;
      const payload = { image: printable(event.image) };
      this.#open.set(event.image, this.#bars.create(Math.max(event.bytes, 1), 0, payload));
    } else if (event.kind === 'image-progress') {
      this.#open.get(event.image)?.increment(event.bytes);
    } else {
      if (event.kind === 'image-finished') this.#close(event.image);
      if (event.kind === 'wait') this.#note(event.subject, event.seconds);
      const line = lineOf(event, this.#transfer);
      if (line !== undefined) this.#log(line);
    }
  }

  stop(): void {
    this.#removeWhole();
    // Draw what was logged since the last update: `stop` drops it.
    if (this.#draws) this.#bars.update();
    this.#bars.stop();
    this.#draws = false;
  }

  #log(line: string): void {
    const text = `${wrap(line, columnsOf(this.#stream))}\n`;
    if (this.#draws) this.#bars.log(text);
    else this.#stream.write(text);
  }

  #note(subject: string, seconds: number): void {
    const until = Date.now() + seconds * 1_000;
    if (until > (this.#wait?.until ?? 0)) this.#wait = { subject: printable(subject), until };
  }

  #close(image: string): void {
    const bar = this.#open.get(image);
    if (bar) this.#bars.remove(bar);
    this.#open.delete(image);
    if (!this.#transfer.isUnderWay) this.#removeWhole();
  }

  #removeWhole(): void {
    if (this.#whole) this.#bars.remove(this.#whole);
    this.#whole = undefined;
  }

  #summary(): string {
    const left = ((this.#wait?.until ?? 0) - Date.now()) / 1_000;
    const text =
      left > 0
        ? `${this.#transfer.moved}; waiting ${duration(left)} for ${this.#wait?.subject}`
        : this.#transfer.describe();
    return cutMiddle(text, this.#width);
  }

  #rowOf({ value, total, progress }: Params, image: string): string {
    const filled = Math.round(Math.min(1, Math.max(0, progress)) * barWidth);
    const bar = '\u2588'.repeat(filled) + '\u2591'.repeat(barWidth - filled);
    // A retry may move more than was planned.
    const bytes = `${prettyBytes(Math.max(0, value))} of ${prettyBytes(Math.max(total, value))}`;
    const start = ` ${bar}  ${bytes.padEnd(18)}  `;
    return start + cutMiddle(image, this.#width - start.length);
  }

  /** The last column stays free: some terminals wrap after it. */
  get #width(): number {
    return Math.max(60, columnsOf(this.#stream)) - 1;
  }
}

const barWidth = 20;
