import { waitFor } from '../../async/wait-for.ts';
import type { Digest } from '../spec/digest.ts';

/**
 * Records which repositories of one registry hold a blob. It saves uploads but does not affect correctness: a wrong
 * entry costs a refused mount. Within one process it also joins parallel copies of the same blob.
 */
export class BlobLedger {
  readonly #holders = new Map<Digest, string>();
  readonly #expected = new Map<Digest, string>();
  readonly #arriving = new Map<Digest, Promise<void>>();

  /** Returns the repository to mount the blob from. */
  holder(digest: Digest): string | undefined {
    return this.#holders.get(digest) ?? this.#expected.get(digest);
  }

  /** Returns whether the blob was seen in that repository. */
  knows(digest: Digest, repository: string): boolean {
    return this.#holders.get(digest) === repository;
  }

  /** Records an upload that is to come: reason to request a mount, but not to assume that the blob exists. */
  expect(digest: Digest, repository: string): void {
    this.#expected.set(digest, repository);
  }

  /** Records the repository where the blob was seen. */
  record(digest: Digest, repository: string): void {
    if (!this.#holders.has(digest)) this.#holders.set(digest, repository);
  }

  /**
   * Runs `copy` while no other caller copies the same blob. Another caller waits, until its signal aborts, and then
   * usually finds a holder to mount from.
   */
  async alone<T>(digest: Digest, copy: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (let other = this.#arriving.get(digest); other; other = this.#arriving.get(digest))
      await waitFor(other, signal);
    const work = copy().finally(() => this.#arriving.delete(digest));
    this.#arriving.set(digest, work.then(ignore, ignore));
    return work;
  }
}

function ignore(): void {}
