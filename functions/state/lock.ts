import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { FactoryError } from '../errors.ts';
import { type Action, actions } from '../settings/input-schema.ts';
import { getJson, type ObjectStore, updateJson } from './object-store.ts';
import { RunDocuments } from './run-documents.ts';
import { versioned } from './schema.ts';
import { printable } from '../text/printable.ts';

const time = z.iso.datetime();

/** A process, and the process table that its number belongs to: that of a host or of a container. */
const processIdentity = z.object({ table: z.string(), pid: z.number() });
type ProcessIdentity = z.output<typeof processIdentity>;

const held = z.object({
  runId: z.string(),
  action: z.enum(actions),
  since: time,
  renewedAt: time,
  /** The time from which any run may take the lock, because this one is dead. */
  expiresAt: time,
  /** The process of a run that is one process. */
  process: processIdentity.exactOptional(),
});

/** The lock of one account, as stored. `null` is a free lock. */
export type Lock = z.output<typeof held>;

export const lockSchema = versioned<Lock | null>({
  content: held.nullable(),
  cure: 'Delete it when no run is at work on the account.',
});

export interface LockOptions {
  /** The time to wait for a run that holds the lock, in milliseconds. Default: 0. */
  waitMs?: number;
  /** The pause between attempts while waiting, in milliseconds. Default: 1,000. */
  pollMs?: number;
  /** The life of a lock that is not renewed, in milliseconds. Default: 1,800,000. */
  lifeMs?: number;
  /** The process of this run, where a run is one process. The lock of a killed process is taken at once. */
  process?: { identity: ProcessIdentity; isGone: (other: ProcessIdentity) => boolean };
}

/** Tasks renew the lock, and Lambda ends a task after 15 minutes. */
const defaultLifeMs = 30 * 60_000;

interface Taker {
  runId: string;
  action: Action;
  /** Runs that are over: their lock is taken at once. */
  from?: readonly string[];
}

/** The result of an attempt to take the lock. */
export interface LockOutcome {
  /** The run that holds the lock; absent when this run does. */
  holder?: Lock;
  /** The dead run that the lock was taken from. */
  dead?: Lock;
}

/**
 * The locks of accounts. One lock lets one run at a time write to a Harness account, because Harness locks nothing and
 * a run undoes its writes from what it read before.
 */
export class AccountLock {
  /** The shortest time between two renewals. */
  readonly renewalMs: number;
  readonly #store: ObjectStore;
  readonly #options: LockOptions;
  readonly #lifeMs: number;
  readonly #onNote: (message: string) => void;

  constructor(store: ObjectStore, options: LockOptions, onNote: (message: string) => void) {
    this.#store = store;
    this.#options = options;
    this.#lifeMs = options.lifeMs ?? defaultLifeMs;
    this.renewalMs = this.#lifeMs / 6;
    this.#onNote = onNote;
  }

  /**
   * Takes the lock of the account, or returns the run that holds it. A task that is retried finds its own lock. The
   * lock of the runs `from`, which are over, is taken at once.
   */
  async take(run: Taker, accountId: string, signal?: AbortSignal): Promise<LockOutcome> {
    // Recorded first: releasing a lock that was not taken does nothing.
    await this.#record(run.runId).put({ accountId });
    // Survives mutation: nobody notices one millisecond more in a second.
    const { waitMs = 0, pollMs = 1_000 } = this.#options;
    for (let waited = 0; ; waited += pollMs) {
      const outcome = await this.#tryToTake(run, accountId);
      if (!outcome.holder || waited >= waitMs) return outcome;
      if (waited === 0) this.#onNote(`${describeLock(outcome.holder)}: waiting for it${untilOf(waitMs)}`);
      await sleep(pollMs, undefined, signal && { signal });
    }
  }

  /** Renews the lock, and extends it by `waitSeconds` before a pause. Does nothing for a run without a lock. */
  async renew(runId: string, waitSeconds = 0): Promise<void> {
    await this.#renew(runId, waitSeconds);
  }

  /**
   * Renews the lock before a write to Harness.
   *
   * @throws {FactoryError} `LockLost` when another run has taken the lock, or this run never had it.
   */
  async hold(runId: string): Promise<void> {
    const { accountId, lock } = await this.#renew(runId, 0);
    if (lock?.runId === runId) return;
    throw new FactoryError(
      'LockLost',
      lock
        ? `this run no longer has the lock of account ${accountId}: ${describeLock(lock)}`
        : `this run does not have the lock of account ${accountId}`,
      {
        hint: `It showed no sign of life for ${this.#lifeMs / 60_000} minutes, as when a machine sleeps. Start it again.`,
      },
    );
  }

  /** Returns the run that holds the lock of an account. Changes nothing. */
  async holder(accountId: string): Promise<Lock | undefined> {
    const lock = await getJson(this.#store, keyOf(accountId), lockSchema);
    return lock && this.#isHeld(lock) ? lock : undefined;
  }

  /** Releases the lock. Does nothing for a run without one. */
  async release(runId: string): Promise<void> {
    const recorded = await this.#record(runId).find();
    if (!recorded) return;
    await updateJson(this.#store, keyOf(recorded.accountId), lockSchema, (lock) =>
      lock?.runId === runId ? null : undefined,
    );
  }

  #record(runId: string): RunDocuments['lock'] {
    return new RunDocuments(this.#store, runId).lock;
  }

  async #tryToTake({ runId, action, from = [] }: Taker, accountId: string): Promise<LockOutcome> {
    let outcome: LockOutcome = {};
    await updateJson(this.#store, keyOf(accountId), lockSchema, (lock) => {
      const now = Date.now();
      const ours = lock?.runId === runId;
      const over = lock && from.includes(lock.runId);
      const held = lock && !ours && !over && this.#isHeld(lock);
      outcome = held ? { holder: lock } : lock && !ours ? { dead: lock } : {};
      if (held) return undefined;
      const { process } = this.#options;
      const since = ours ? lock.since : new Date(now).toISOString();
      return { runId, action, since, ...this.#term(now), ...(process && { process: process.identity }) };
    });
    return outcome;
  }

  /** Returns whether the run of a lock may be alive. */
  #isHeld({ process, expiresAt }: Lock): boolean {
    const isGone = process !== undefined && this.#options.process?.isGone(process) === true;
    return !isGone && Date.parse(expiresAt) > Date.now();
  }

  /** Only reads the lock when no renewal is due: concurrent copies must not wait for each other to write it. */
  async #renew(runId: string, waitSeconds: number) {
    const recorded = await this.#record(runId).find();
    if (!recorded) return {};
    const { accountId } = recorded;
    const isDue = (lock: Lock | null | undefined, now: number): lock is Lock =>
      lock?.runId === runId && (waitSeconds > 0 || Date.parse(lock.renewedAt) + this.renewalMs <= now);
    let found = await getJson(this.#store, keyOf(accountId), lockSchema);
    if (isDue(found, Date.now())) {
      await updateJson(this.#store, keyOf(accountId), lockSchema, (lock) => {
        found = lock;
        const now = Date.now();
        if (!isDue(lock, now)) return undefined;
        const { renewedAt, expiresAt } = this.#term(now, waitSeconds);
        // Another task of the run may have to wait longer.
        const latest = Math.max(Date.parse(expiresAt), Date.parse(lock.expiresAt));
        return { ...lock, renewedAt, expiresAt: new Date(latest).toISOString() };
      });
    }
    return { accountId, lock: found };
  }

  #term(now: number, waitSeconds = 0): Pick<Lock, 'renewedAt' | 'expiresAt'> {
    return {
      renewedAt: new Date(now).toISOString(),
      expiresAt: new Date(now + waitSeconds * 1_000 + this.#lifeMs).toISOString(),
    };
  }
}

export function describeLock({ runId, action, since, expiresAt }: Lock): string {
  return printable(
    `run ${runId} (${action}) has held the lock since ${minuteOf(since)}; the lock expires at ${minuteOf(expiresAt)} unless renewed`,
  );
}

/** Names the end of a wait, unless it is indefinite. */
function untilOf(waitMs: number): string {
  const end = new Date(Date.now() + waitMs);
  return Number.isNaN(end.getTime()) ? '' : `, until ${minuteOf(end.toISOString())}`;
}

/** Formats a time for people: `2026-11-29 02:00 UTC`. */
function minuteOf(time: string): string {
  return `${time.slice(0, 16).replace('T', ' ')} UTC`;
}

function keyOf(accountId: string): string {
  return `locks/${accountId}.json`;
}
