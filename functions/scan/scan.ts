import { createHash } from 'node:crypto';
import { FactoryError } from '../errors.ts';
import { Deadline, Paused } from '../oci/copy/deadline.ts';
import type { Digest } from '../oci/spec/digest.ts';
import type { ScanAnswer } from '../oci/registry/image-scans.ts';
import { placeOf } from '../images/images.ts';
import { inParallel } from '../async/in-parallel.ts';
import { getManifest } from '../oci/registry/manifests.ts';
import { formatReference, parseReference } from '../oci/spec/reference.ts';
import { RegistryFailure } from '../oci/registry/registry-failure.ts';
import type { Plan, ScanResult, Scans } from '../state/documents.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { ScanSettings } from '../settings/scan-settings.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import { gather, type GatheredImage } from './gather.ts';
import { platformManifests } from './platform-manifests.ts';
import { expiryWarnings, judge } from './verdict.ts';

export interface ScanTaskResult {
  status: 'done' | 'continue';
  /** The time to wait before the next call, when `status` is `continue`. */
  waitSeconds: number;
}

/** Images looked up in parallel. AWS documents no quota for DescribeImageScanFindings, so keep this low. */
const looksInFlight = 8;

const minuteMs = 60_000;

const shortestPauseSeconds = 15;

/**
 * Looks once at the scans of all images that Harness will be switched to, and of those that a tag moves to. A failed or
 * late scan is a result: the gate decides what it means for the run.
 */
export async function scan({ runId }: { runId: string }, run: TaskRun): Promise<ScanTaskResult> {
  const { runtime } = run;
  const documents = runtime.run(runId);
  const plan = await runtime.plan(runId);
  const { scan: settings } = plan;
  if (!settings) throw new RangeError(`run ${runId} does not wait for scans`);
  const known = await documents.scans.find();
  const scans = known ?? (await begin(plan, settings, runtime));
  const pending = scans.images.filter(({ result }) => result.status === 'pending');
  const template = runtime.configuration.gatherScanTemplate;
  if (pending.length > 0) {
    if (template === undefined) await lookAt(pending, settings, run);
    else await askTemplate(template, pending, { scans, runId, settings }, run);
  }
  const elapsedMs = Date.now() - Date.parse(scans.startedAt);
  const leftMs = settings.deadlineMinutes * minuteMs - elapsedMs;
  const waiting = pending.filter(({ result }) => result.status === 'pending');
  if (leftMs <= 0) for (const row of waiting) row.result = tooLate(row, settings);
  await documents.scans.put(scans);
  const done = waiting.length === 0 || leftMs <= 0;
  // Scans take minutes: poll soon at first, and less often the longer they take.
  const pauseSeconds = Math.min(300, Math.max(shortestPauseSeconds, elapsedMs / 5_000));
  const waitSeconds = done ? 0 : Math.ceil(Math.min(leftMs / 1_000, pauseSeconds));
  await runtime.lock.renew(runId, waitSeconds);
  if (!done) runtime.progress({ kind: 'wait', ...describeWait(waiting), seconds: waitSeconds });
  return { status: done ? 'done' : 'continue', waitSeconds };
}

type Row = Scans['images'][number];

/** Describes the scans that are missing, by an image of each reason. */
function describeWait(waiting: readonly Row[]): { subject: string; reason: string } {
  const reasons = Map.groupBy(waiting, ({ result }) => result.detail ?? 'pending');
  return {
    subject: `scans of ${waiting.length} ${waiting.length === 1 ? 'image' : 'images'}`,
    reason: [...reasons]
      .map(([reason, rows]) => `${rows[0]?.image}${rows.length > 1 ? ` and ${rows.length - 1} more` : ''}: ${reason}`)
      .join('; '),
  };
}

/**
 * Lists the images to judge: those at the registry, even from an earlier run, that the run switches to, or to which it
 * moves a tag.
 */
async function begin(plan: Plan, { allow }: ScanSettings, runtime: Runtime): Promise<Scans> {
  const switched = new Set(plan.changes.map(({ image }) => image));
  const rows = await Promise.all(
    plan.images.map(async (planned, index): Promise<Row[]> => {
      const { image, digest, status } = planned;
      const isWanted = switched.has(image) || (status === 'copy' && planned.afterScan);
      if (!isWanted || status === 'failed') return [];
      const copied = status === 'copy' ? await runtime.run(plan.runId).copyResult(index).find() : undefined;
      const arrived = status === 'current' || (copied && copied.status !== 'failed');
      const there = copied?.digest ?? digest;
      if (!arrived || there === undefined) return [];
      return [
        {
          image,
          target: formatReference(placeOf(planned, copied)),
          digest: there,
          result: { status: 'pending', detail: 'not checked yet' },
        },
      ];
    }),
  );
  const now = new Date().toISOString();
  return { startedAt: now, images: rows.flat(), calls: 0, warnings: expiryWarnings(allow, dayOf(now)) };
}

async function lookAt(rows: readonly Row[], settings: ScanSettings, run: TaskRun): Promise<void> {
  const today = dayOf(new Date().toISOString());
  await inParallel(rows, looksInFlight, run.signal, async (row, signal) => {
    if (run.deadline?.admits === false) return;
    try {
      const answers = await answersFor(row, { runtime: run.runtime, signal });
      const unchangedMs = remember(row, answers);
      const result = judge(row.image, answers, settings, today);
      // Further findings cannot turn a failure into a pass, so only a pass waits until the findings settle.
      const settling = Math.max(0, ...[...answers.values()].map(settlingMs));
      const isSettling = result.status === 'passed' && unchangedMs < settling;
      row.result = isSettling ? { status: 'pending', detail: 'more findings may follow' } : result;
    } catch (error) {
      row.result = failureOf(error, signal);
    }
  });
}

/** Stores the answers in the row, and returns how long the registry has reported the same, in milliseconds. */
function remember(row: Row, answers: ReadonlyMap<Digest, ScanAnswer>): number {
  const said = [...answers].map(([digest, answer]) => [
    digest,
    answer.state === 'scanned'
      ? answer.findings.map(({ id, severity }) => `${severity} ${id}`).toSorted()
      : `${answer.state} ${answer.detail}`,
  ]);
  const hash = createHash('sha256').update(JSON.stringify(said)).digest('hex');
  if (row.seen?.answers !== hash) row.seen = { answers: hash, since: new Date().toISOString() };
  return Date.now() - Date.parse(row.seen.since);
}

function settlingMs(answer: ScanAnswer): number {
  return answer.state === 'scanned' ? answer.settlingMs : 0;
}

/** Reads the registry's scan of each platform's manifest. The first call of a run renews outdated scans. */
async function answersFor(
  { target, digest, seen }: Row,
  { runtime, signal }: TaskRun,
): Promise<Map<Digest, ScanAnswer>> {
  const reference = parseReference(target);
  const scans = await runtime.parts.scans?.(reference.registry);
  if (!scans) throw new RangeError(`${reference.registry} does not scan`);
  const repository = runtime.repository(reference);
  const read = (wanted: Digest) => runtime.manifests.through(wanted, () => getManifest(repository, wanted, signal));
  const answers = new Map<Digest, ScanAnswer>();
  for (const manifest of await platformManifests(await read(digest), read))
    answers.set(manifest, await scans.look(repository.name, manifest, { renew: seen === undefined, signal }));
  return answers;
}

async function askTemplate(
  arn: string,
  rows: readonly Row[],
  { scans, runId, settings }: { scans: Scans; runId: string; settings: ScanSettings },
  { runtime, signal, deadline = Deadline.never }: TaskRun,
): Promise<void> {
  const images = rows.map(({ image, target, digest }): GatheredImage => ({ image, target, digest }));
  // Execution names cannot be reused: each response that leaves images pending is followed by a call with another name.
  const call = { name: `${runId}-scan-${scans.calls}`, runId, images, settings };
  try {
    const template = await runtime.template(arn);
    const work = (each?: AbortSignal) => gather(template, call, each);
    const results = await deadline.during([], signal, work);
    if (!results) return;
    scans.calls++;
    for (const row of rows) row.result = results.get(row.image) ?? row.result;
  } catch (error) {
    // The time of this call is up, not that of the scanner.
    if (error instanceof Paused) return;
    for (const row of rows) row.result = failureOf(error, signal);
  }
}

/** Returns the failure as a result. The next look calls an unreachable registry again, until the deadline. */
function failureOf(thrown: unknown, signal?: AbortSignal): ScanResult {
  signal?.throwIfAborted();
  const error = FactoryError.from(thrown);
  const unavailable = error.name === 'RegistryThrottled' || error.name === 'RegistryUnreachable';
  if (unavailable || (error instanceof RegistryFailure && error.transient))
    return { status: 'pending', detail: error.message };
  return { status: 'failed', error: error.toJSON() };
}

function tooLate({ image, result: { detail } }: Row, { deadlineMinutes }: ScanSettings): ScanResult {
  const message = `${image} was not scanned within ${deadlineMinutes} minutes: ${detail}`;
  const error = new FactoryError('ScanTimedOut', message, {
    hint: 'Look at the scan in the console of the registry; allow more time with scan_deadline_minutes, and run again.',
  });
  return { status: 'failed', error: error.toJSON() };
}

function dayOf(time: string): string {
  return time.slice(0, 10);
}
