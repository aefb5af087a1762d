import { release } from '../../http/release.ts';

/** Buffers of blobs that were sent, for the next ones. All have one size. */
const spare: Buffer[] = [];
let users = 0;

/**
 * The buffers of one upload in parts. When the last upload ends, their memory is freed immediately: V8 would free it late.
 * A failed upload leaves its buffers to V8, because a socket may still read them.
 */
export class PartBuffers implements Disposable {
  readonly all: readonly [Buffer, ...Buffer[]];
  #isSent = false;

  constructor(count: number, bytes: number) {
    users += 1;
    if (spare[0]?.length !== bytes) freeSpare();
    const take = () => spare.pop() ?? Buffer.allocUnsafeSlow(bytes);
    this.all = [take(), ...Array.from({ length: count - 1 }, take)];
  }

  /** The destination confirmed the blob, so that no socket reads the buffers. */
  sent(): void {
    this.#isSent = true;
  }

  [Symbol.dispose](): void {
    users -= 1;
    const [{ length }] = this.all;
    if (this.#isSent && (spare[0]?.length ?? length) === length) spare.push(...this.all);
    if (users === 0) freeSpare();
  }
}

function freeSpare(): void {
  for (const buffer of spare.splice(0)) release(buffer);
}
