import type { ProgressEvent } from '../../functions/runtime/runtime.ts';
import { follow, lineOf } from './progress-lines.ts';
import { Transfer } from './transfer.ts';

export interface Progress {
  handle(event: ProgressEvent): void;
  /** Removes the bars and restores the cursor. */
  stop(): void;
}

/** The time between two lines with the rate and the time left, where there are no bars, in milliseconds. */
const reportEveryMs = 30_000;

/** Shows live bars on a terminal, and one line per event elsewhere. */
export async function progressOn(stream: NodeJS.WriteStream): Promise<Progress> {
  if (!stream.isTTY) return new Lines(stream);
  const { Bars } = await import('./bars.ts');
  return new Bars(stream);
}

/** Writes one line per event, and regularly one with the rate and the time left. */
class Lines implements Progress {
  readonly #stream: NodeJS.WritableStream;
  readonly #transfer = new Transfer();
  #report: NodeJS.Timeout | undefined;

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream;
  }

  handle(event: ProgressEvent): void {
    follow(this.#transfer, event);
    const line = lineOf(event, this.#transfer);
    if (line !== undefined) this.#stream.write(`${line}\n`);
    if (event.kind !== 'copying') return;
    clearInterval(this.#report);
    this.#report = setInterval(() => {
      if (this.#transfer.isUnderWay) this.#stream.write(`${this.#transfer.describe()}\n`);
      else this.stop();
    }, reportEveryMs).unref();
  }

  stop(): void {
    clearInterval(this.#report);
  }
}
