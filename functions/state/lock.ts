import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { FactoryError } from '../errors.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type Action, actions } from '../settings/execution-input.ts';
import { updateJson } from './object-store.ts';
import { nullable, versioned } from './schema.ts';
import { printable } from '../text/printable.ts';

/**
 * Of the runs on one Harness account one at a time may write: Harness locks nothing, and a run undoes what it did on the
 * ground of what it saw. The lock is a document in the object store, written conditionally; `null` when it is free.
 */
export interface Lock {
  runId: string;
  action: Action;
  since: string;
  renewedAt: string;
  /** From then on anybody may take it: the run is dead. */
  expiresAt: string;
  /** Of a run that is one process. */
  process?: ProcessIdentity;
}

/** A process, and where its number means something: a host, or a container with a process table of its own. */
interface ProcessIdentity {
  table: string;
  pid: number;
}

export const lockSchema = nullable(
  versioned<Lock>({
    content: z.looseObject({
      runId: z.string(),
      action: z.enum(actions),
      since: z.iso.datetime(),
      renewedAt: z.iso.datetime(),
      expiresAt: z.iso.datetime(),
      process: z.looseObject({ table: z.string(), pid: z.number() }).exactOptional(),
    }),
    cure: 'Delete it when no run is at work on the account.',
  }),
);

export interface LockOptions {
  /** How long to wait for a run that has the lock, in milliseconds. Default: not at all. */
  waitMs?: number;
  /** How often to ask while waiting, in milliseconds. Default: every second. */
  pollMs?: number;
  /** Given when a run is one process: the lock of one that was killed is taken at once. */
  process?: { identity: ProcessIdentity; isGone: (other: ProcessIdentity) => boolean };
}

/** A run that shows no sign of life for so long is dead. A task that is still at work renews, and Lambda ends one after 15. */
const lifeMs = 30 * 60_000;
/** Nor is a lock written more often than that. */
export const renewalMs = 5 * 60_000;

/** What came of asking for the lock. */
export interface LockOutcome {
  /** The run that has it; absent when it is ours. */
  holder?: Lock;
  /** The dead run that it was taken from. */
  dead?: Lock;
}

/**
 * Takes the lock of the account, or tells which run has it. A task that is tried again finds it to be its own. The lock of
 * the runs `from`, which are over, is taken at once.
 */
export async function takeLock(
  run: { runId: string; action: Action; from?: readonly string[] },
  accountId: string,
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<LockOutcome> {
  // Noted first: releasing what was not taken does no harm.
  await runtime.run(run.runId).lock.put({ accountId });
  // Survives mutation: nobody feels a millisecond more in a second.
  const { waitMs = 0, pollMs = 1_000 } = runtime.lock;
  for (let waited = 0; ; waited += pollMs) {
    const outcome = await tryToTake(run, accountId, runtime);
    if (!outcome.holder || waited >= waitMs) return outcome;
    if (waited === 0) runtime.progress({ kind: 'note', message: `${describeLock(outcome.holder)}: waiting for it` });
    await sleep(pollMs, undefined, signal && { signal });
  }
}

async function tryToTake(
  { runId, action, from = [] }: { runId: string; action: Action; from?: readonly string[] },
  accountId: string,
  { store, lock: { process } }: Runtime,
): Promise<LockOutcome> {
  let outcome: LockOutcome = {};
  await updateJson(store, keyOf(accountId), lockSchema, (lock) => {
    const now = Date.now();
    const ours = lock?.runId === runId;
    const over = lock && from.includes(lock.runId);
    const gone = lock?.process !== undefined && process?.isGone(lock.process) === true;
    const held = lock && !ours && !over && !gone && Date.parse(lock.expiresAt) > now;
    outcome = held ? { holder: lock } : lock && !ours ? { dead: lock } : {};
    if (held) return undefined;
    const since = ours ? lock.since : new Date(now).toISOString();
    return { runId, action, since, ...term(now), ...(process && { process: process.identity }) };
  });
  return outcome;
}

/**
 * Shows that the run is alive, and goes on to be for `waitSeconds` in which nothing of it may be at work. Does nothing
 * for a run without a lock.
 */
export async function renewLock(runId: string, runtime: Runtime, waitSeconds = 0): Promise<void> {
  await renew(runId, runtime, waitSeconds);
}

/** Before each write to Harness. Throws `LockLost` when another run has taken the lock, or this one never had it. */
export async function holdLock(runId: string, runtime: Runtime): Promise<void> {
  const { accountId, lock } = await renew(runId, runtime, 0);
  if (lock?.runId === runId) return;
  throw new FactoryError(
    'LockLost',
    lock
      ? `this run no longer has the lock of account ${accountId}: ${describeLock(lock)}`
      : `this run does not have the lock of account ${accountId}`,
    { hint: `It showed no sign of life for ${lifeMs / 60_000} minutes, as when a machine sleeps. Start it again.` },
  );
}

async function renew(runId: string, runtime: Runtime, waitSeconds: number) {
  const noted = await runtime.run(runId).lock.find();
  let found: Lock | null | undefined;
  if (noted) {
    await updateJson(runtime.store, keyOf(noted.accountId), lockSchema, (lock) => {
      found = lock;
      const now = Date.now();
      if (lock?.runId !== runId || (waitSeconds === 0 && Date.parse(lock.renewedAt) + renewalMs > now))
        return undefined;
      const { renewedAt, expiresAt } = term(now, waitSeconds);
      // Another task of the run may have to wait for longer.
      const latest = Math.max(Date.parse(expiresAt), Date.parse(lock.expiresAt));
      return { ...lock, renewedAt, expiresAt: new Date(latest).toISOString() };
    });
  }
  return { accountId: noted?.accountId, lock: found };
}

/** Gives the lock back; does nothing when the run has none. */
export async function releaseLock(runId: string, runtime: Runtime): Promise<void> {
  const noted = await runtime.run(runId).lock.find();
  if (!noted) return;
  await updateJson(runtime.store, keyOf(noted.accountId), lockSchema, (lock) =>
    lock?.runId === runId ? null : undefined,
  );
}

export function describeLock({ runId, action, since, expiresAt }: Lock): string {
  return printable(
    `run ${runId} (${action}) is at work on this account since ${since}; its lock expires at ${expiresAt} unless renewed`,
  );
}

function term(now: number, waitSeconds = 0): Pick<Lock, 'renewedAt' | 'expiresAt'> {
  return {
    renewedAt: new Date(now).toISOString(),
    expiresAt: new Date(now + waitSeconds * 1_000 + lifeMs).toISOString(),
  };
}

function keyOf(accountId: string): string {
  return `locks/${accountId}.json`;
}
