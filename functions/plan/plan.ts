import { awaitedLater } from '../async/awaited-later.ts';
import { FactoryError } from '../errors.ts';
import { type Plan, settingsInPlan, type Snapshot } from '../state/documents.ts';
import type { ImageConnector } from '../overrides/image-connector.ts';
import { describeLock, type Lock } from '../state/lock.ts';
import { readRefusedFields, refusedOn } from '../state/refused-fields.ts';
import { checkCopies } from './limits.ts';
import { findUnusedImages } from './unused-images.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { parseExecutionInput } from '../settings/execution-input.ts';
import { copiesImages } from '../settings/input-schema.ts';
import type { RunSettings } from '../settings/run-settings.ts';
import { webhookRunPrefix } from '../settings/run-names.ts';
import { scheduledInput } from '../settings/schedule-mark.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import { restoreChanges } from './changes.ts';
import { blobMounting } from './blob-mounting.ts';
import { planChecks } from './checks.ts';
import { checkConnector, checkReset, type Planned, readConnector } from './connector.ts';
import { findDefaultsAhead } from './defaults-ahead.ts';
import { asWritten, withCopiesNamed, withImages } from './relative-values.ts';
import { leaveFirstSwitch } from './first-switch.ts';
import { pairWarnings } from './pair-warnings.ts';
import { reachWarnings } from './reach.ts';
import { manageConnector, type ManagedConnector, restoreConnector } from './managed-connector.ts';
import { readSnapshot } from './restore.ts';
import { planNothing, type PlanResult } from './plan-result.ts';
import { bundleToImport, planCarriage, putNeeds } from './carriage.ts';
import { decideImport } from './decide-import.ts';
import { lockFor } from './locks.ts';
import { scopesOf } from './scopes.ts';
import { usesHarness } from '../settings/carriage.ts';
import { planRecovery, stoppedRunOf } from './recovery.ts';
import { readScope, type ScopeConfiguration } from '../overrides/scope-configuration.ts';
import { holdBack } from '../overrides/pairs.ts';
import { checkPermission, type Decision, decide, referencesAtOurs } from './decide.ts';

export interface PlanEvent {
  runId: string;
  input: unknown;
}

/** Validates the input, reads the state of Harness and of the registries, and decides what the run will do. */
export async function plan({ runId, input }: PlanEvent, run: TaskRun): Promise<PlanResult> {
  const { runtime } = run;
  const startedAt = new Date();
  const stopped = stoppedRunOf(input, runtime);
  if (stopped !== undefined) return planRecovery(runId, stopped, startedAt, runtime);
  const { startCommand } = runtime.parts;
  const scheduled = startCommand && scheduledInput(input);
  const settings = parseExecutionInput(scheduled ?? input, runtime.configuration);
  if (settings.action === 'doctor') return planChecks(settings, { runId, startedAt }, run);
  const withHarness = usesHarness(settings, runtime.configuration);
  const accountId = withHarness ? (await runtime.harness()).accountId : undefined;
  const lock = await lockFor(runId, settings, accountId, run);
  const trigger = scheduled ? 'schedule' : triggerOf(runId, runtime);
  const head = {
    ...settingsInPlan.parse(settings),
    runId,
    startedAt: startedAt.toISOString(),
    trigger,
    ...(accountId === undefined ? { withoutHarness: true as const } : { accountId }),
  };
  if (lock.holder) return planNothing({ ...head, skipped: describeLock(lock.holder) }, 'report', runtime);
  const carried = await planCarriage(head, settings, run);
  if (carried) return carried;
  const carries = await bundleToImport(settings, run);
  // Started while Harness and the registries are read.
  const connector = settings.action === 'reset' || !withHarness ? undefined : awaitedLater(readConnector(run));
  const snapshot = settings.action === 'restore' ? await readSnapshot(settings.restoreRun, runtime) : undefined;
  const wanted = withHarness ? (snapshot?.scopes ?? scopesOf(settings)) : [];
  const scopes = await Promise.all(wanted.map((scope) => readScope(scope, run)));
  const named = await withCopiesNamed(scopes, settings, runtime);
  const decision: Decision = snapshot
    ? {
        images: [],
        waves: [],
        warnings: [],
        ...(await withImages(restoreChanges(scopes, snapshot), settings, runtime)),
      }
    : carries
      ? await decideImport(carries.bundle, settings, named, { runId, ...run })
      : await decide(settings, named, startedAt, run);
  if (!snapshot) Object.assign(decision, asWritten(decision, scopes, settings));
  const { images, waves, warnings } = decision;
  checkCopies(waves, runtime.configuration.buildPushTemplate);
  const refused = await readRefusedFields(runtime.store);
  const accepted = holdBack(decision.changes, (change) => {
    const day = refusedOn(refused, change, startedAt);
    return day && `Harness refused on ${day} to change this field; it is tried again after 30 days`;
  });
  const mayAwait =
    settings.action === 'sync' && settings.modifyDefault && runtime.configuration.autoSwitch !== 'always';
  const first =
    scheduled && mayAwait ? leaveFirstSwitch(accepted.changes, named, { ...settings, startCommand }) : undefined;
  if (first) accepted.changes = first.changes;
  const inUse = referencesAtOurs(named, settings);
  const planned = { changes: accepted.changes, scopes, images, inUse };
  const found = await connector;
  // A schedule leaves the connector to the person who switches first.
  const managed =
    first?.isDone === false ? { warnings: [] } : await planConnector(found, planned, settings, snapshot, run);
  const view = managed.blocked ? { ...planned, changes: [] } : planned;
  const check =
    settings.action === 'reset'
      ? await checkReset(planned, settings, run)
      : found && (await checkConnector(afterChange(found, managed, settings), view, settings, run));
  const blocked = managed.blocked ?? check?.blocked;
  const pulls = managed.pulls ?? check?.pulls;
  const change = blocked ? undefined : managed.change;
  const { changes, held } = blocked ? holdAll(accepted) : accepted;
  const kept = [...decision.kept, ...held];
  const ahead = awaitedLater(findDefaultsAhead({ changes, kept }, scopes, run));
  warnings.push(...managed.warnings, ...(check?.warnings ?? []));
  const permission = decision.permission ?? checkPermission(changes, settings, run);
  if (changes.length > 0)
    warnings.push(...(await permission), ...reachWarnings(changes, settings, change !== undefined));
  warnings.push(...pairWarnings(scopes, changes, settings));
  if (lock.dead) warnings.push(await describeDeadRun(lock.dead, runtime));
  const mounting = waves.flat().length > 0 ? await blobMounting(settings, runtime) : undefined;
  warnings.push(...(mounting?.warnings ?? []));
  const document: Plan = {
    ...head,
    ...carries?.facts,
    ...(decision.needed && { needed: decision.needed }),
    ...(mounting?.mounts && { mounts: mounting.mounts }),
    images,
    changes,
    kept,
    inUse,
    unused: [],
    ...(decision.soaking && { soaking: decision.soaking }),
    ...((await ahead).length > 0 && { ahead: await ahead }),
    warnings,
    ...(pulls && { pulls }),
    ...(change && { connector: change }),
    ...(blocked && { blocked }),
    ...(first?.awaiting && { awaiting: first.awaiting }),
  };
  if (withHarness && (settings.action === 'plan' || settings.action === 'verify' || settings.prune)) {
    Object.assign(document, await lookForUnused(document, settings, scopes, run));
  }
  document.registries = runtime.takeCounts();
  const documents = runtime.run(runId);
  if (decision.needed) await putNeeds(runId, decision.needed, settings, run);
  await documents.plan.put(document);
  await documents.changes.put({ changes, held: [] });
  return {
    runId,
    route: routeOf(settings, changes.length > 0 || change !== undefined),
    waves: copiesImages(settings.action) ? waves : [],
    maxConcurrency: settings.maxConcurrency,
    scan: settings.scan !== undefined,
    prune: settings.prune,
  };
}

/** Plans the change of the connector: of a sync that may change it, or of a restore. */
async function planConnector(
  found: ImageConnector | FactoryError | undefined,
  planned: Planned,
  settings: RunSettings,
  snapshot: Snapshot | undefined,
  run: TaskRun,
): Promise<ManagedConnector> {
  if (snapshot?.connector) return restoreConnector(snapshot.connector, planned, settings, run);
  return found ? manageConnector(found, planned, settings, run) : { warnings: [] };
}

/** Returns the connector as it will be when the run writes fields. */
function afterChange(
  found: ImageConnector | FactoryError,
  { change }: ManagedConnector,
  { action }: RunSettings,
): ImageConnector | FactoryError {
  if (found instanceof FactoryError || !found.connector || !change || action === 'verify') return found;
  if (found.reference !== change.reference) return found;
  return { ...found, connector: { ...found.connector, ...change.to } };
}

/** Returns what started a run that no schedule started. */
function triggerOf(runId: string, { parts }: Runtime): NonNullable<Plan['trigger']> {
  if (!parts.startCommand) return 'command';
  return runId.startsWith(webhookRunPrefix) ? 'webhook' : 'execution';
}

async function describeDeadRun({ runId, since }: Lock, runtime: Runtime): Promise<string> {
  const undo = (await runtime.run(runId).snapshot.find())
    ? `; to restore the configuration before it, ${runtime.place.restore(runId)}`
    : '';
  return `run ${runId}, which had the lock since ${since}, ended without a report${undo}`;
}

function routeOf({ action }: RunSettings, writes: boolean): PlanResult['route'] {
  switch (action) {
    case 'sync':
    case 'import':
      return 'copy';
    case 'export':
      return 'export';
    case 'reset':
    case 'restore':
      return writes ? 'configure' : 'report';
    case 'verify':
      return 'verify';
    case 'plan':
    case 'doctor':
      return 'report';
  }
}

/**
 * Looks for unused copies. A key that cannot read another module cannot rule out that a copy is in use: that is a
 * warning, since the run has other work.
 */
async function lookForUnused(
  document: Plan,
  { keepVersions, prune }: Pick<RunSettings, 'keepVersions' | 'prune'>,
  scopes: readonly ScopeConfiguration[],
  run: TaskRun,
): Promise<Pick<Plan, 'unused' | 'warnings'>> {
  const { warnings } = document;
  try {
    return { unused: await findUnusedImages(document, keepVersions, scopes, run), warnings };
  } catch (error) {
    run.signal?.throwIfAborted();
    // What a prune deletes must be known for certain.
    if (!(error instanceof FactoryError) || (error.name === 'StoreFailed' && prune)) throw error;
    return { unused: [], warnings: [...warnings, `could not look for unused copies: ${error.message}`] };
  }
}

/** Holds every change back: Harness would pull other images than those that the run writes. */
function holdAll({ changes, held }: ReturnType<typeof holdBack>): ReturnType<typeof holdBack> {
  const all = holdBack(changes, () => "the connector of Harness's images is in the way");
  return { changes: all.changes, held: [...held, ...all.held] };
}
