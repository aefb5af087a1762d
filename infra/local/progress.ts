import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import prettyBytes from 'pretty-bytes';
import type { ProgressEvent } from '../../functions/runtime/runtime.ts';
import { cellLimit, printable } from '../../functions/text/printable.ts';

export interface Progress {
  handle(event: ProgressEvent): void;
  /** Removes the bars and restores the cursor. */
  stop(): void;
}

/** Shows live bars on a terminal, and one line per event elsewhere. */
export function progressOn(stream: NodeJS.WriteStream): Progress {
  if (stream.isTTY) return new Bars(stream);
  const handle = (event: ProgressEvent) => {
    const line = lineOf(event);
    if (line !== undefined) stream.write(`${line}\n`);
  };
  return { handle, stop: () => undefined };
}

class Bars implements Progress {
  readonly #stream: NodeJS.WriteStream;
  readonly #bars: MultiBar;
  readonly #open = new Map<string, SingleBar>();

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
        format: ' {bar} {percentage}%  {done} of {size}  {image}',
        formatValue: (value) => String(value),
      },
      Presets.shades_grey,
    );
  }

  handle(event: ProgressEvent): void {
    if (event.kind === 'image-started') {
      const size = prettyBytes(event.bytes);
      this.#draws = true;
      this.#open.set(
        event.image,
        this.#bars.create(Math.max(event.bytes, 1), 0, { image: printable(event.image), done: prettyBytes(0), size }),
      );
    } else if (event.kind === 'image-progress') {
      const bar = this.#open.get(event.image);
      bar?.increment(event.bytes, {
        done: prettyBytes(Math.max(0, (bar as unknown as { value: number }).value + event.bytes)),
      });
    } else {
      if (event.kind === 'image-finished') this.#close(event.image);
      const line = lineOf(event);
      if (line === undefined) return;
      if (this.#draws) this.#bars.log(`${line}\n`);
      else this.#stream.write(`${line}\n`);
    }
  }

  stop(): void {
    // Draw what was logged since the last update: `stop` drops it.
    if (this.#draws) this.#bars.update();
    this.#bars.stop();
    this.#draws = false;
  }

  #close(image: string): void {
    const bar = this.#open.get(image);
    if (bar) this.#bars.remove(bar);
    this.#open.delete(image);
  }
}

function lineOf(event: ProgressEvent): string | undefined {
  const line = wordsFor(event);
  return line === undefined ? undefined : printable(line, cellLimit);
}

function wordsFor(event: ProgressEvent): string | undefined {
  switch (event.kind) {
    case 'image-started':
      return `copying ${event.image} (${prettyBytes(event.bytes)})`;
    case 'image-finished':
      return event.status === 'failed' ? `FAILED  ${event.image}: ${event.message}` : `${event.status} ${event.image}`;
    case 'wait':
      return `${event.subject}: waiting for ${event.seconds} s`;
    case 'note':
      return event.message;
    case 'image-progress':
      return undefined;
  }
}
