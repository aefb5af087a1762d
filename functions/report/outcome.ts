import { failureOf } from '../doctor/doctor.ts';
import { type ErrorDocument, FactoryError } from '../errors.ts';
import { redacted } from '../http/redact.ts';
import { formatReference } from '../oci/spec/reference.ts';
import { sumCounts } from '../runtime/registry-counts.ts';
import { actions, understood } from '../settings/input-schema.ts';
import type { CopyResult, ImageResult, IncompleteImage, Plan, Pull, Report } from '../state/documents.ts';
import type { RunDocuments } from '../state/run-documents.ts';
import { totalsOf } from '../state/totals.ts';
import { cellLimit, printable } from '../text/printable.ts';
import { parseErrorCause } from '../workflow-error.ts';
import { configResults, connectorResult, withLag } from './config-rows.ts';
import type { ReportEvent } from './event.ts';
import { redactedInput } from './facts.ts';
import { exportedImage, imageResult, warningsOf } from './image-rows.ts';
import { withScans } from './scan-results.ts';

/** Returns the report of a run that has a plan, from the documents that its tasks wrote. */
export async function outcomeOf(
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
    ...(state.tagsError ? [`not all tags were moved: ${parseErrorCause(state.tagsError).message}`] : []),
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
    ...(plan.bundle && {
      bundle: {
        ...plan.bundle,
        ...(exported && { id: exported.id, bytes: exported.bytes }),
        ...(exported?.parts && { parts: exported.parts }),
      },
    }),
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

/** Returns the report of a run that failed before its plan: the input was refused, or Harness was unreachable. */
export function outcomeWithoutPlan(
  runId: string,
  error: ErrorDocument | undefined,
  state: ReportEvent['state'],
): Report {
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

function imagesMissing(plan: Plan, images: readonly ImageResult[]): ErrorDocument | undefined {
  const missing =
    plan.action === 'plan' || plan.action === 'export'
      ? images.filter(({ status }, i) => status === 'failed' && !plan.images[i]?.held)
      : [];
  if (missing.length === 0) return undefined;
  return new FactoryError(
    'ImagesFailed',
    `${missing.length} of ${images.length} images cannot be ${plan.action === 'export' ? 'exported' : 'copied'}: ${missing.map(({ image }) => image).join(', ')}`,
    { hint: 'See the reason of each image in the report.' },
  ).toJSON();
}

/** Returns the failure of a run that copied, was to switch Harness, and did not. A plan reports it, and succeeds. */
function switchBlocked({ action, blocked }: Plan): ErrorDocument | undefined {
  if (!blocked || action === 'plan') return undefined;
  const steps = blocked.steps.map((step, index) => `${index + 1}. ${step}`).join(' ');
  return new FactoryError('SwitchBlocked', `Harness was not switched: ${blocked.reason}`, { hint: steps }).toJSON();
}

/** Returns the failures of incomplete images that Harness still uses and the run does not replace. */
function heldFailures({ images: planned }: Plan, images: readonly ImageResult[]): string[] {
  return images.flatMap(({ status, target, error }, index) =>
    planned[index]?.held && status === 'failed'
      ? [`Harness uses ${target}: ${error?.message ?? 'it is incomplete'}`]
      : [],
  );
}

function incompleteOf({ images }: Plan): IncompleteImage[] {
  return images.flatMap(({ target, missing }) => (missing ? [{ reference: formatReference(target), missing }] : []));
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
