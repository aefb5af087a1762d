import type { Digest } from './digest.ts';

/**
 * Which repository of one registry holds a blob. It spares uploads, never correctness: an entry that is wrong costs a
 * refused mount. In one process it also joins copies of the same blob that are under way at the same time.
 */
export class BlobLedger {
  readonly #holders = new Map<Digest, string>();
  readonly #arriving = new Map<Digest, Promise<void>>();

  holder(digest: Digest): string | undefined {
    return this.#holders.get(digest);
  }

  record(digest: Digest, repository: string): void {
    if (!this.#holders.has(digest)) this.#holders.set(digest, repository);
  }

  /**
   * Runs `copy` with nobody else bringing the same blob. A caller that finds another one at it waits, and then usually
   * finds a holder to mount from.
   */
  async alone<T>(digest: Digest, copy: () => Promise<T>): Promise<T> {
    for (let other = this.#arriving.get(digest); other; other = this.#arriving.get(digest)) await other;
    const work = copy();
    const arrival = work.then(
      () => undefined,
      () => undefined,
    );
    this.#arriving.set(digest, arrival);
    try {
      return await work;
    } finally {
      this.#arriving.delete(digest);
    }
  }
}
