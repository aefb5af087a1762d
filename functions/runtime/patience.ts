/** The patience of rollbacks while Harness is unavailable. */
export class Patience {
  readonly limitMs: number;
  readonly #giveUp = new AbortController();
  #waiting = false;

  constructor(limitMs: number) {
    this.limitMs = limitMs;
  }

  /** Aborted when the user gives up. Ends reads and pauses, never a write. */
  get signal(): AbortSignal {
    return this.#giveUp.signal;
  }

  /** Marks the start of a rollback. */
  begin(): void {
    this.#waiting = true;
  }

  end(): void {
    this.#waiting = false;
  }

  /**
   * Ends the current rollback after its next failure. Returns `false` when there is none, or it was given up before.
   */
  giveUp(): boolean {
    const waits = this.#waiting && !this.signal.aborted;
    if (waits) this.#giveUp.abort();
    return waits;
  }
}
