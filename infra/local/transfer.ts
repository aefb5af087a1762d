import prettyBytes from 'pretty-bytes';

/** The time over which the rate is averaged, in milliseconds. */
const windowMs = 10_000;
/** The shortest time after which a rate says something, in milliseconds. */
const leastMs = 1_000;

/** Measures the copies of a run: bytes, rate, and the time left. */
export class Transfer {
  readonly #now: () => number;
  readonly #samples: { at: number; bytes: number }[] = [];
  #images = 0;
  #imagesDone = 0;
  #bytes = 0;
  #bytesDone = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Begins the copies of a run, with the bytes that they are expected to move. */
  begin(images: number, bytes: number): void {
    [this.#images, this.#bytes] = [images, bytes];
    this.#sample();
  }

  /** Adds bytes; a failed attempt subtracts its own. */
  add(bytes: number): void {
    this.#bytesDone += bytes;
    this.#sample();
  }

  finishImage(): void {
    this.#imagesDone++;
  }

  /** `12 of 46`; empty when the number of images is unknown. */
  get done(): string {
    return this.#images === 0 ? '' : `${this.#imagesDone} of ${this.#images}`;
  }

  get isUnderWay(): boolean {
    return this.#imagesDone < this.#images;
  }

  /** Bytes per second over the last seconds. */
  get rate(): number | undefined {
    const now = this.#now();
    const first = this.#samples.find(({ at }) => at >= now - windowMs) ?? this.#samples.at(-1);
    if (!first || now - first.at < leastMs) return undefined;
    return Math.max(0, ((this.#bytesDone - first.bytes) / (now - first.at)) * 1_000);
  }

  /** `12 of 46 images, 13.4 MB of 27.8 MB`, without the whole when more has moved than was planned. */
  get moved(): string {
    const total = this.#bytes >= this.#bytesDone && this.#bytes > 0 ? ` of ${prettyBytes(this.#bytes)}` : '';
    return `${this.done} images, ${prettyBytes(Math.max(0, this.#bytesDone))}${total}`;
  }

  /** `12 of 46 images, 13.4 MB of 27.8 MB, 2.1 MB/s, about 7 s left` */
  describe(): string {
    const { rate } = this;
    const left = this.#bytes - this.#bytesDone;
    return [
      this.moved,
      ...(rate === undefined ? [] : [`${prettyBytes(Math.round(rate))}/s`]),
      ...(rate && left > 0 && this.isUnderWay ? [`about ${duration(left / rate)} left`] : []),
    ].join(', ');
  }

  #sample(): void {
    const at = this.#now();
    const last = this.#samples.at(-1);
    // A sample for each tenth of a second is enough. The first one stays as it is: the rate counts from it.
    if (last && this.#samples.length > 1 && at - last.at < 100) last.bytes = this.#bytesDone;
    else this.#samples.push({ at, bytes: this.#bytesDone });
    while ((this.#samples[0]?.at ?? at) < at - windowMs) this.#samples.shift();
  }
}

/** Formats a time in seconds for people: `7 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(1, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3_600), Math.floor(whole / 60) % 60, whole % 60];
  if (hours > 0) return `${hours} h${minutes > 0 ? ` ${minutes} min` : ''}`;
  return minutes > 0 ? `${minutes} min${rest > 0 ? ` ${rest} s` : ''}` : `${rest} s`;
}
