import { FactoryError } from '../errors.ts';
import { isSameScope } from '../harness/scope.ts';
import { compareOverrides, describeDifference, waitForAgreement, writeOverrides } from '../overrides/agreement.ts';
import { credentialsObstacle, shownAddress } from '../overrides/connector-change.ts';
import { isSameField } from '../overrides/apply-changes.ts';
import type { ConfigResult, ConnectorChange, FieldChange, RollbackState, Snapshot } from '../state/documents.ts';
import type { RunDocuments } from '../state/run-documents.ts';
import { isWriting, writing } from '../state/writes.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import { describeLeft, mayDiffer, rollbackFailed } from '../overrides/rollback-failed.ts';
import { own as ownValue } from '../text/own.ts';

export interface RollbackResult {
  status: 'rolled-back' | 'nothing-to-do';
}

/** The longest pause between two attempts in the workflow, plus time for a function to start. */
const pauseSeconds = 300;

/** A refused key may be corrected soon, or never: after this time the run fails, so that people hear of it. */
const refusedPatienceMs = 15 * 60_000;

/**
 * Restores every field that the run wrote to its value in the snapshot, and checks the result. A field belongs to
 * somebody else when it shows a value that this run does not write, and its write was not recorded, or verify found such
 * a value: it is left alone.
 * When Harness cannot be read, the fields are written without that check. The same holds for the connector.
 *
 * Throws `RollbackPending` while another attempt may succeed, which the workflow retries. Then throws `RollbackFailed`,
 * which names each field with its value, and the location of the snapshot.
 */
export async function rollback({ runId }: { runId: string }, run: TaskRun): Promise<RollbackResult> {
  const { runtime } = run;
  const { patience } = runtime;
  const own = runtime.run(runId);
  const { recovers } = (await own.plan.find()) ?? {};
  const undone = runtime.run(recovers?.runId ?? runId);
  const snapshot = await undone.snapshot.find();
  if (!snapshot) return { status: 'nothing-to-do' };
  patience.begin();
  await runtime.lock.renew(runId);
  const results = (await undone.config.find()) ?? [];
  const changes = await changesBegun(undone, results);
  const known = await own.rollback.find();
  const earlier = known && known.since >= snapshot.takenAt ? known : undefined;
  const attempt: Attempt = { left: [], written: [...(earlier?.written ?? [])], reason: '', cause: undefined };
  const putBack = () => snapshot.connector && putBackConnector(snapshot.connector, undone, attempt, { runId, run });
  // In the reverse order of the writes, so that pods find every image at any time.
  const isRestore = (await undone.plan.find())?.action === 'restore';
  if (isRestore) await putBack();
  const mustWait = attempt.left.length > 0;
  for (const scope of snapshot.scopes) {
    const mine = changes.filter((change) => isSameScope(change, scope));
    if (mustWait) attempt.left.push(...mine.map((change) => mayDiffer(change, change.from)));
    else if (mine.length > 0) await putBackScope({ runId, scope, mine, results, attempt }, run);
  }
  if (!isRestore) await putBack();
  const isDone = attempt.left.length === 0;
  const isDisturbed = isDone && recovers !== undefined && (await isWriting(undone));
  if (isDisturbed) attempt.reason = `a function of run ${undone.runId} may still be writing`;
  if (isDone && !isDisturbed) {
    await undone.config.put(
      results.map((row) => (row.status === 'rejected' || isLeft(row) ? row : { ...row, status: 'rolled-back' })),
    );
    patience.end();
    return { status: 'rolled-back' };
  }
  const since = earlier?.since ?? new Date().toISOString();
  const { left, reason, written } = attempt;
  await own.rollback.put({ since, left, reason, written });
  const until = Date.parse(since) + patienceFor(attempt.cause, patience.limitMs);
  if (patience.signal.aborted || Date.now() >= until) {
    patience.end();
    throw rollbackFailed(undone, attempt, runtime, attempt.cause);
  }
  await runtime.lock.renew(runId, pauseSeconds);
  const end = new Date(until).toISOString();
  const why = reason || left.join('; ');
  const { giveUp = '' } = runtime.place;
  runtime.progress({ kind: 'note', message: `rollback: retrying until ${end}${giveUp}: ${why}` });
  throw new FactoryError('RollbackPending', `${left.length} fields are not put back yet: ${why}`, {
    hint: `Wait: the workflow retries until ${end}.`,
    cause: attempt.cause,
  });
}

function patienceFor(cause: unknown, limitMs: number): number {
  if (!(cause instanceof FactoryError)) return limitMs;
  // Another run has taken the lock over, and must not be disturbed.
  if (isLockLost(cause)) return 0;
  const refused = cause.name === 'HarnessUnauthorized' || cause.name === 'HarnessForbidden';
  return refused ? Math.min(limitMs, refusedPatienceMs) : limitMs;
}

/** Returns the changes that the run may have made: neither refused by Harness nor out of its reach. */
async function changesBegun(undone: RunDocuments, results: readonly ConfigResult[]): Promise<FieldChange[]> {
  const { changes } = await undone.changes.get();
  const { begun } = (await undone.writes.find()) ?? { begun: [] };
  return changes.filter((change) => {
    const row = results.find((result) => isSameField(result, change));
    return row ? row.status !== 'rejected' : begun.some((scope) => isSameScope(scope, change));
  });
}

/** Returns whether verify left the field to somebody else, who changed it after the write. */
function isLeft({ status }: ConfigResult): boolean {
  return status === 'unchanged';
}

interface Attempt extends Omit<RollbackState, 'since'> {
  cause: unknown;
}

interface Begun {
  runId: string;
  scope: Snapshot['scopes'][number];
  /** The changes of this scope that the run may have made. */
  mine: readonly FieldChange[];
  results: readonly ConfigResult[];
  attempt: Attempt;
}

async function putBackScope({ runId, scope, mine, results, attempt }: Begun, run: TaskRun): Promise<void> {
  const { runtime } = run;
  const { signal } = runtime.patience;
  const asBefore = (change: FieldChange): FieldChange => ({
    ...change,
    to: ownValue(scope.overrides, change.field) ?? null,
  });
  const isWritten = () => attempt.written.some((known) => isSameScope(known, scope));
  let checked = mine;
  let undo = isWritten() ? [] : mine;
  try {
    const unlike = await compareOverrides(mine, { runtime, signal });
    // Write back what was written, even where a stale read does not show it yet. A field that was written back already
    // and shows a third value has been changed by somebody else since.
    const isRecorded = (change: FieldChange) =>
      !isWritten() && results.some((row) => isSameField(row, change) && !isLeft(row));
    const isOurs = (change: FieldChange) => !unlike.some((difference) => isSameField(difference, change));
    checked = undo = mine.filter((change) => isRecorded(change) || isOurs(change));
  } catch (error) {
    noteFailure(error, attempt);
  }
  const wanted = checked.map(asBefore);
  let look: typeof compareOverrides = waitForAgreement;
  try {
    await writeOverrides(runId, undo.map(asBefore), run);
    if (!isWritten()) attempt.written.push({ module: scope.module, infrastructureType: scope.infrastructureType });
  } catch (error) {
    noteFailure(error, attempt);
    // Do not wait for a field that was not written.
    look = compareOverrides;
  }
  try {
    attempt.left.push(...(await look(wanted, { runtime, signal })).map(describeDifference));
  } catch (error) {
    noteFailure(error, attempt);
    attempt.left.push(...checked.map((change) => mayDiffer(change, asBefore(change).to, isWritten())));
  }
}

/** Gives the connector its old address, unless it has another one than the run wrote. */
async function putBackConnector(
  change: ConnectorChange,
  undone: RunDocuments,
  attempt: Attempt,
  { runId, run: { runtime } }: { runId: string; run: TaskRun },
): Promise<void> {
  if (!(await undone.writes.find())?.connector) return;
  const { reference, ref, from, to } = change;
  const [before, written] = [from.dockerRegistryUrl, to.dockerRegistryUrl];
  if (attempt.left.length > 0) {
    attempt.left.push(describeLeft(change));
    return;
  }
  try {
    const harness = await runtime.harness();
    const connector = await harness.connector(ref, runtime.patience.signal);
    const now = connector?.dockerRegistryUrl;
    const known = await undone.connector.find();
    // The address that was written is put back, even where a stale read does not show it yet.
    const isOurs = now === written || (now === before && known?.status === 'changed');
    const obstacle = connector && credentialsObstacle(reference, connector, from);
    if (!connector || !isOurs || obstacle !== undefined) {
      if (now === before && known) return;
      const message = `connector ${reference} is left as it is, ${shownAddress(now)}: ${obstacle ?? 'somebody else changed it'}`;
      if (now !== before) runtime.progress({ kind: 'note', message });
      await undone.connector.put({ status: now === written ? 'changed' : 'unchanged', after: shownAddress(now) });
      return;
    }
    await writing(runtime.run(runId), runtime.lock, 'connector', () => harness.updateConnector(ref, connector, from));
    await undone.connector.put({ status: 'rolled-back', after: before });
  } catch (error) {
    noteFailure(error, attempt);
    attempt.left.push(describeLeft(change));
  }
}

function noteFailure(error: unknown, attempt: Attempt): void {
  if (attempt.cause !== undefined && !isLockLost(error)) return;
  attempt.cause = error;
  attempt.reason = FactoryError.from(error).message;
}

function isLockLost(error: unknown): boolean {
  return error instanceof FactoryError && error.name === 'LockLost';
}
