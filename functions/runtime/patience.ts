/** How long rollbacks wait for a Harness that is away. */
export class Patience {
  readonly limitMs: number;
  readonly #giveUp = new AbortController();
  #waiting = false;

  constructor(limitMs: number) {
    this.limitMs = limitMs;
  }

  /** Aborted when somebody gave up. Ends reads and pauses, never a write. */
  get signal(): AbortSignal {
    return this.#giveUp.signal;
  }

  /** A rollback is under way. */
  begin(): void {
    this.#waiting = true;
  }

  end(): void {
    this.#waiting = false;
  }

  /** Ends the rollback that is under way after its next failure. Returns whether there is one that was not given up yet. */
  giveUp(): boolean {
    const waits = this.#waiting && !this.signal.aborted;
    if (waits) this.#giveUp.abort();
    return waits;
  }
}
