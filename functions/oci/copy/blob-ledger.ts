import { waitFor } from '../../async/wait-for.ts';
import type { Digest } from '../spec/digest.ts';

/**
 * Which repository of one registry holds a blob. It spares uploads, never correctness: an entry that is wrong costs a
 * refused mount. In one process it also joins copies of the same blob that are under way at the same time.
 */
export class BlobLedger {
  readonly #holders = new Map<Digest, string>();
  readonly #expected = new Map<Digest, string>();
  readonly #arriving = new Map<Digest, Promise<void>>();

  /** From where to ask for a mount. */
  holder(digest: Digest): string | undefined {
    return this.#holders.get(digest) ?? this.#expected.get(digest);
  }

  /** Whether the blob was seen in that repository. */
  knows(digest: Digest, repository: string): boolean {
    return this.#holders.get(digest) === repository;
  }

  /** Notes who is to bring the blob: a reason to ask for a mount, but not to believe that it is there. */
  expect(digest: Digest, repository: string): void {
    this.#expected.set(digest, repository);
  }

  /** Notes where the blob was seen. */
  record(digest: Digest, repository: string): void {
    if (!this.#holders.has(digest)) this.#holders.set(digest, repository);
  }

  /**
   * Runs `copy` with nobody else bringing the same blob. A caller that finds another one at it waits, until its signal
   * aborts, and then usually finds a holder to mount from.
   */
  async alone<T>(digest: Digest, copy: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (let other = this.#arriving.get(digest); other; other = this.#arriving.get(digest))
      await waitFor(other, signal);
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
