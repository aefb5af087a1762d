import { failureOf } from '../doctor/doctor.ts';
import { type ErrorDocument, FactoryError } from '../errors.ts';
import type {
  ConfigResult,
  ConnectorChange,
  ConnectorResult,
  CopyResult,
  FieldChange,
  ImageResult,
  IncompleteImage,
  KeptField,
  Plan,
  PlannedImage,
  Pull,
  Report,
  StoppedRun,
} from '../state/documents.ts';
import { isPresent } from '../images/images.ts';
import { formatReference } from '../oci/spec/reference.ts';
import { redacted } from '../http/redact.ts';
import { harnessAfter } from '../state/harness-after.ts';
import { changeInventory } from '../state/inventory.ts';
import { noteSync } from '../state/last-sync.ts';
import { type Look, noteLooks } from '../state/looks.ts';
import { sumCounts } from '../runtime/registry-counts.ts';
import { isSameField } from '../overrides/apply-changes.ts';
import { behindOf } from '../overrides/lag.ts';
import { plannedConnector } from '../overrides/connector-change.ts';
import { describeLeft, mayDiffer, rollbackFailed } from '../overrides/rollback-failed.ts';
import type { RunDocuments } from '../state/run-documents.ts';
import { parseErrorCause, type WorkflowError } from '../workflow-error.ts';
import { actions, copiesImages, understood } from '../settings/execution-input.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import type { ConsoleLinks } from '../text/console.ts';
import { cellLimit, printable } from '../text/printable.ts';
import { causeOf } from './cause.ts';
import { factsOf, redactedInput } from './facts.ts';
import { placeOf, writePages } from './pages.ts';
import { withScans } from './scan-results.ts';
import { tell } from './tell.ts';

/** The output of the workflow: the report, and the cause of a failure for the console. */
type ReportResult = Report & { cause?: string };

export interface ReportEvent {
  runId: string;
  /** The id of the execution that reports: an ARN on AWS. */
  execution?: string;
  state: {
    error?: WorkflowError;
    rollbackError?: WorkflowError;
    pruneError?: WorkflowError;
    input?: unknown;
    /** Further warnings; not from the workflow. */
    warnings?: string[];
  };
}

/** Step Functions refuses states above 262,144 bytes. The rest is for the fields that the workflow adds. */
const stateLimit = 240_000;

const warningsPerImage = 3;

/**
 * Writes the run's report, sends it, and returns it as the output of the state machine. A report too large for that is
 * returned without its lists; the object store has all of it. Safe to repeat: nothing is done twice.
 */
export async function report(event: ReportEvent, { runtime }: TaskRun): Promise<ReportResult> {
  const { runId, state } = event;
  const documents = runtime.run(runId);
  const { links } = placeOf(runId, event.execution, runtime);
  const plan = await documents.plan.find();
  if (plan?.recovers) return resultOf(await finishStopped(plan, plan.recovers, event, runtime), documents, links);
  const error = await errorOf(state, documents, runtime);
  const document = await finish(event, error, runtime);
  return resultOf(document, documents, links);
}

/** Writes the report of a run, releases its lock, and notifies people and Harness. */
async function finish(
  { runId, execution, state }: ReportEvent,
  error: ErrorDocument | undefined,
  runtime: Runtime,
): Promise<Report> {
  const documents = runtime.run(runId);
  const plan = await documents.plan.find();
  const results = await Promise.all((plan?.images ?? []).map((_, index) => documents.copyResult(index).find()));
  const outcome = plan
    ? await describe(plan, results, { ...state, error }, documents)
    : withoutPlan(runId, error, state);
  const first = firstErrorOf(state);
  const document: Report = {
    ...outcome,
    ...(await factsOf(documents, plan, results, runtime.parts.release)),
    harness: harnessAfter(outcome),
    ...(first && { firstError: first }),
  };
  /** The run has ended: a failure from here on is a warning, and does not change the outcome. */
  const attempt = async (failure: string, work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      warn(`${failure}: ${FactoryError.from(error).message}`);
    }
  };
  const warn = (warning: string) =>
    (document.warnings = [...(document.warnings ?? []), printable(redacted(warning), cellLimit)]);
  await attempt('the report was not stored', () => documents.report.put(document));
  const stored = document.warnings;
  // Of the actions that hold the lock only these make copies.
  const copies = plan && copiesImages(plan.action) ? plan.images : [];
  await attempt('the copies were not recorded for a later prune', () =>
    changeInventory(runtime.store, (inventory) => {
      copies.forEach((planned, index) => {
        const target = formatReference(planned.target);
        const digest = results[index]?.digest ?? planned.digest;
        // An image that was present may belong to somebody else, unless an earlier run copied it.
        const isCopied = results[index]?.status === 'copied' && !isPresent(planned);
        const ours = isCopied || Object.hasOwn(inventory, target);
        const there = planned.status === 'current' || (results[index] && results[index].status !== 'failed');
        if (ours && there && digest) inventory[target] = digest;
      });
    }),
  );
  await attempt('the checks of the copies were not recorded: the next run repeats them', () =>
    noteLooks(
      runtime.store,
      copies.flatMap(({ target, digest: planned }, index): Look[] => {
        const { status, digest = planned } = results[index] ?? {};
        const isCopied = status === 'copied' || status === 'repaired';
        return isCopied && digest !== undefined ? [{ reference: formatReference(target), digest, whole: true }] : [];
      }),
      new Date(),
    ),
  );
  if (document.action === 'sync' && document.status === 'SUCCEEDED')
    await attempt('the time of the sync was not recorded', () => noteSync(runtime.store, new Date()));
  await attempt('the lock was not released, and expires by itself', () => runtime.lock.release(runId));
  const place = placeOf(runId, execution, runtime);
  // Before the mail that links to the page.
  for (const warning of await writePages(document, place, runtime)) warn(warning);
  const { warnings: written } = document;
  for (const warning of await tell(document, { planned: plan, links: place.links }, runtime)) warn(warning);
  if (document.warnings !== stored)
    await attempt('the report was not stored again', () => documents.report.put(document));
  if (document.warnings !== written) for (const warning of await writePages(document, place, runtime)) warn(warning);
  return document;
}

/** Writes the report of a run that was stopped, then that of the run that rolled it back. */
async function finishStopped(
  { runId, startedAt }: Plan,
  { runId: stopped, ended, verified }: StoppedRun,
  { state, ...event }: ReportEvent,
  runtime: Runtime,
): Promise<Report> {
  const own = runtime.run(runId);
  const undone = runtime.run(stopped);
  const switched = (await undone.snapshot.find()) !== undefined;
  const outcome = verified
    ? 'its switch was complete and verified, and is kept'
    : switched
      ? `run ${runId} put Harness back as it was before`
      : 'Harness is as it was before';
  const end: WorkflowError | undefined = verified
    ? undefined
    : { Error: 'RunStopped', Cause: stopDocument(ended, outcome) };
  const error = await errorOf({ ...state, ...(end && { error: end }) }, undone, runtime, own);
  const told = verified ? { warnings: [`${ended}; ${outcome}`] } : {};
  const report = await finish({ ...event, runId: stopped, state: told }, error, runtime);
  await runtime.lock.release(runId);
  const failed = state.rollbackError !== undefined;
  const document: Report = {
    ...withoutPlan(runId, undefined, {}),
    status: failed ? 'FAILED' : 'SUCCEEDED',
    action: report.action,
    reason: `run ${stopped}: ${ended}; ${failed ? 'the rollback failed' : outcome}; its report is ${undone.report.location}`,
    config: report.config,
    ...(report.connector && { connector: report.connector }),
    totals: totalsOf([], startedAt),
    ...(await factsOf(own, await own.plan.find(), [], runtime.parts.release)),
    harness: failed ? 'unknown' : harnessAfter(report),
    ...(failed && error && { error }),
  };
  await own.report.put(document);
  await writePages(document, placeOf(runId, event.execution, runtime), runtime);
  return document;
}

function stopDocument(ended: string, outcome: string): string {
  const error = new FactoryError('RunStopped', `${ended}; ${outcome}`, {
    hint: 'Start the run again. What was copied stays at the registry.',
  });
  return JSON.stringify(error);
}

function resultOf(document: Report, documents: RunDocuments, links: ConsoleLinks | undefined): ReportResult {
  const fits = Buffer.byteLength(JSON.stringify(document)) <= stateLimit;
  const result: ReportResult = fits ? document : shortened(document);
  return document.error ? { ...result, cause: causeOf(document.error, documents.report.location, links) } : result;
}

function shortened(document: Report): Report {
  const {
    input: _input,
    unused: _unused,
    incomplete: _incomplete,
    soaking: _soaking,
    pulls: _pulls,
    needed: _needed,
    ...rest
  } = document;
  const warnings = [
    `input, images, config, unused copies and warnings are too long to be shown here: see runs/${document.runId}/report.json in the object store`,
  ];
  return { ...rest, images: [], config: [], warnings };
}

async function describe(
  plan: Plan,
  results: readonly (CopyResult | undefined)[],
  { error: ended, ...state }: Omit<ReportEvent['state'], 'error'> & { error: ErrorDocument | undefined },
  documents: RunDocuments,
): Promise<Report> {
  const { changes, held } = (await documents.changes.find()) ?? { changes: plan.changes, held: [] };
  const written = (await documents.config.find()) ?? [];
  const scans = await documents.scans.find();
  const exported = await documents.exported.find();
  const copied = plan.images.map((planned, index) =>
    exported ? exportedImage(plan, planned) : imageResult(plan, planned, results[index]),
  );
  const images = withScans(copied, scans);
  const error = ended ?? imagesMissing(plan, images) ?? switchBlocked(plan) ?? failureOf(plan.checks ?? [])?.toJSON();
  const incomplete = (await documents.incomplete.find()) ?? incompleteOf(plan);
  const pruned = await documents.pruned.find();
  const warnings = [
    ...plan.warnings,
    ...plan.images.flatMap(({ image }, index) => warningsOf(image, results[index])),
    ...heldFailures(plan, images),
    ...(scans?.warnings ?? []),
    ...(state.warnings ?? []),
    ...(state.pruneError ? [`prune stopped: ${parseErrorCause(state.pruneError).message}`] : []),
  ].map(redacted);
  const connector = plan.connector && connectorResult(plan, plan.connector, await documents.connector.find());
  const registries = sumCounts([...(plan.registries ?? []), ...results.flatMap((result) => result?.registries ?? [])]);
  return {
    status: error ? 'FAILED' : plan.skipped === undefined ? 'SUCCEEDED' : 'SKIPPED',
    action: plan.action,
    runId: plan.runId,
    ...(plan.input && { input: redactedInput(plan.input) }),
    ...(plan.startedBy !== undefined && { startedBy: plan.startedBy }),
    ...(plan.skipped !== undefined && { reason: plan.skipped }),
    ...(plan.checks && { checks: plan.checks }),
    images,
    config: withLag(configResults(plan, changes, [...plan.kept, ...held], written), plan),
    ...(connector && { connector }),
    totals: totalsOf(images, plan.startedAt),
    ...(plan.bundle && { bundle: { ...plan.bundle, ...(exported && { id: exported.id, bytes: exported.bytes }) } }),
    ...(plan.needed && { needed: plan.needed }),
    ...((plan.unused.length > 0 || pruned) && { unused: pruned ?? plan.unused }),
    ...(plan.soaking && { soaking: plan.soaking }),
    ...(incomplete.length > 0 && { incomplete }),
    ...(plan.pulls && { pulls: pullsOf(plan.pulls, plan, images) }),
    ...(plan.blocked && { blocked: plan.blocked }),
    ...(plan.awaiting && { awaiting: { reason: plan.awaiting.reason, command: plan.awaiting.command } }),
    ...(warnings.length > 0 && { warnings: warnings.map((warning) => printable(warning, cellLimit)) }),
    ...(registries.length > 0 && { registries }),
    ...(error && { error }),
  };
}

/** Returns the images that Harness would pull, with the outcome of this run's copies. */
function pullsOf(pulls: readonly Pull[], { action }: Plan, images: readonly ImageResult[]): Pull[] {
  if (action === 'plan') return [...pulls];
  const failed = new Set(images.flatMap(({ target, status }) => (arrived.has(status) ? [] : target)));
  return pulls.map((row) =>
    row.status === 'planned' ? { ...row, status: failed.has(row.reference) ? 'missing' : 'present' } : row,
  );
}

const arrived: ReadonlySet<ImageResult['status']> = new Set(['copied', 'imported', 'repaired', 'skipped']);

/** Returns the failure of a run that copied, was to switch Harness, and did not. A plan reports it, and succeeds. */
function switchBlocked({ action, blocked }: Plan): ErrorDocument | undefined {
  if (!blocked || action === 'plan') return undefined;
  const steps = blocked.steps.map((step, index) => `${index + 1}. ${step}`).join(' ');
  return new FactoryError('SwitchBlocked', `Harness was not switched: ${blocked.reason}`, { hint: steps }).toJSON();
}

function incompleteOf({ images }: Plan): IncompleteImage[] {
  return images.flatMap(({ target, missing }) => (missing ? [{ reference: formatReference(target), missing }] : []));
}

/** Returns the failures of incomplete images that Harness still uses and the run does not replace. */
function heldFailures({ images: planned }: Plan, images: readonly ImageResult[]): string[] {
  return images.flatMap(({ status, target, error }, index) =>
    planned[index]?.held && status === 'failed'
      ? [`Harness uses ${target}: ${error?.message ?? 'it is incomplete'}`]
      : [],
  );
}

function imageResult(plan: Plan, planned: PlannedImage, result: CopyResult | undefined): ImageResult {
  const row = {
    image: planned.image,
    ...(planned.requested !== undefined && { requested: planned.requested }),
    source: sourceOf(plan, planned),
    target: formatReference(planned.target),
    digest: planned.digest ?? null,
  };
  if (planned.status === 'failed')
    return { ...row, status: 'failed', bytesTransferred: 0, bytesSkipped: 0, error: planned.error };
  if (planned.status === 'current')
    return { ...row, status: 'skipped', bytesTransferred: 0, bytesSkipped: planned.size ?? 0 };
  if (result) {
    const { warnings: _warnings, registries: _registries, endedAt, ...outcome } = result;
    const { startedAt } = outcome;
    const took = startedAt !== undefined && endedAt !== undefined && Date.parse(endedAt) - Date.parse(startedAt);
    const status = outcome.status === 'copied' && plan.action === 'import' ? 'imported' : outcome.status;
    return { ...row, ...outcome, status, ...(took !== false && { durationMs: took }) };
  }
  // Images that the run did not copy: it is a plan, or it ended early.
  const transfer = plan.action === 'plan' ? (planned.uniqueSize ?? 0) : 0;
  return {
    ...row,
    status: 'planned',
    bytesTransferred: transfer,
    bytesSkipped: plan.action === 'plan' ? (planned.size ?? 0) - transfer : 0,
  };
}

/** Returns the row of an image of a bundle that was written. */
function exportedImage(plan: Plan, planned: PlannedImage): ImageResult {
  const { size = 0, uniqueSize = 0 } = planned.status === 'copy' ? planned : {};
  const row = imageResult(plan, planned, undefined);
  return { ...row, status: 'exported', bytesTransferred: uniqueSize, bytesSkipped: size - uniqueSize };
}

/** Returns where an image comes from: a reference at a registry, or the bundle. */
function sourceOf({ action, bundle }: Plan, { source }: PlannedImage): string | null {
  if (bundle && action !== 'export') return bundle.address;
  return source ? formatReference(source) : null;
}

/** Limits the warnings of one image: a registry that refuses one artifact usually refuses the others too. */
function warningsOf(image: string, result: CopyResult | undefined): string[] {
  const { warnings = [] } = result ?? {};
  const more = warnings.length - warningsPerImage;
  return [
    ...warnings.slice(0, warningsPerImage).map((warning) => `${image}: ${warning}`),
    ...(more > 0 ? [`${image}: ${more} more like these`] : []),
  ];
}

function configResults(
  plan: Plan,
  changes: readonly FieldChange[],
  kept: readonly KeptField[],
  written: readonly ConfigResult[],
): ConfigResult[] {
  const isWritten = (change: FieldChange) => written.some((row) => isSameField(row, change));
  // The differences that verify finds are the changes that sync would write.
  const planned = (plan.action === 'plan' || plan.action === 'verify') && plan.modifyDefault;
  return [
    ...written,
    ...changes
      .filter((change) => !isWritten(change))
      .map(({ image: _, ...row }): ConfigResult =>
        planned ? { ...row, status: 'planned' } : { ...row, to: row.from, status: 'unchanged' },
      ),
    ...(plan.awaiting?.changes ?? []).map(({ image: _, ...row }): ConfigResult => ({ ...row, status: 'planned' })),
    ...kept.map(({ image: _, value, ...row }): ConfigResult => ({
      ...row,
      from: value,
      to: value,
      status: 'unchanged',
    })),
  ];
}

function connectorResult(
  { action }: Plan,
  change: ConnectorChange,
  written: Pick<ConnectorResult, 'status' | 'after'> | undefined,
): ConnectorResult {
  const planned = plannedConnector(change);
  if (written || action === 'plan' || action === 'verify') return { ...planned, ...written };
  return { ...planned, status: 'unchanged', after: planned.before };
}

/** Adds by how much each field is behind Harness's default at the end of the run. */
function withLag(rows: readonly ConfigResult[], { ahead = [] }: Plan): ConfigResult[] {
  return rows.map((row) => {
    const official = ahead.find((each) => isSameField(each, row));
    const isUnwritten = row.status === 'rejected' || row.status === 'rolled-back';
    const behind = official && behindOf(isUnwritten ? row.from : row.to, official);
    return behind ? { ...row, behind } : row;
  });
}

function totalsOf(images: readonly ImageResult[], startedAt: string): Report['totals'] {
  const count = (...statuses: ImageResult['status'][]) =>
    images.filter(({ status }) => statuses.includes(status)).length;
  const sum = (key: 'bytesTransferred' | 'bytesSkipped') => images.reduce((total, image) => total + image[key], 0);
  return {
    images: images.length,
    copied: count('copied', 'exported', 'imported'),
    repaired: count('repaired'),
    skipped: count('skipped'),
    failed: count('failed'),
    bytesTransferred: sum('bytesTransferred'),
    bytesSkipped: sum('bytesSkipped'),
    durationMs: Math.max(0, Date.now() - Date.parse(startedAt)),
  };
}

/** Returns the error that ended the run. A failed rollback comes first, whatever its reason. */
async function errorOf(
  state: ReportEvent['state'],
  undone: RunDocuments,
  runtime: Runtime,
  attempts: RunDocuments = undone,
): Promise<ErrorDocument | undefined> {
  const error = state.error && parseErrorCause(state.error);
  if (!state.rollbackError) return error;
  const rollback = await rollbackError(parseErrorCause(state.rollbackError), undone, runtime, attempts);
  return {
    ...rollback,
    message: `${rollback.message} (after ${error?.name ?? 'a failure'}: ${error?.message ?? 'unknown'})`,
  };
}

/** Returns the error before a rollback that failed. */
function firstErrorOf({ error, rollbackError: failed }: ReportEvent['state']): ErrorDocument | undefined {
  return error && failed && parseErrorCause(error);
}

/** Returns the failure of a rollback as `RollbackFailed`, even when its function did not run. */
async function rollbackError(
  ended: ErrorDocument,
  undone: RunDocuments,
  runtime: Runtime,
  attempts: RunDocuments,
): Promise<ErrorDocument> {
  const last = await attempts.rollback.find();
  if (ended.name === 'RollbackFailed') {
    // The workflow truncates the errors that it passes on.
    return last ? rollbackFailed(undone, last, runtime).toJSON() : ended;
  }
  const left = last?.left ?? (await fieldsWritten(undone));
  return rollbackFailed(undone, { left, reason: `${ended.name}: ${ended.message}` }, runtime).toJSON();
}

/** Describes the fields and the connector that were written, when no attempt of the rollback left a record. */
async function fieldsWritten(documents: RunDocuments): Promise<string[]> {
  const written = (await documents.config.find()) ?? [];
  const fields = written
    .filter(({ status }) => status === 'updated' || status === 'reset')
    .map((row) => mayDiffer(row, row.from));
  const { connector } = (await documents.snapshot.find()) ?? {};
  const isWritten = connector && (await documents.connector.find())?.status === 'changed';
  return [...fields, ...(isWritten ? [describeLeft(connector)] : [])];
}

function imagesMissing(plan: Plan, images: readonly ImageResult[]): ErrorDocument | undefined {
  const missing =
    plan.action === 'plan' || plan.action === 'export'
      ? images.filter(({ status }, i) => status === 'failed' && !plan.images[i]?.held)
      : [];
  if (missing.length === 0) return undefined;
  return new FactoryError(
    'ImagesFailed',
    `${missing.length} of ${images.length} images cannot be ${plan.action === 'export' ? 'exported' : 'copied'}: ${missing.map(({ image }) => image).join(', ')}`,
    {
      hint: 'See the reason of each image in the report.',
    },
  ).toJSON();
}

/** Returns the report of a run that failed before its plan: the input was refused, or Harness was unreachable. */
function withoutPlan(runId: string, error: ErrorDocument | undefined, state: ReportEvent['state']): Report {
  const { action: given, started_by: startedBy } = (understood(state.input) ?? {}) as Record<string, unknown>;
  return {
    status: 'FAILED',
    action: actions.find((action) => action === given) ?? 'sync',
    runId,
    ...(typeof startedBy === 'string' && { startedBy: printable(startedBy, cellLimit) }),
    images: [],
    config: [],
    totals: { ...totalsOf([], ''), durationMs: 0 },
    ...(error && { error }),
  };
}
