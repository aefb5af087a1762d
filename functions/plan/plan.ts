import { awaitedLater } from '../async/awaited-later.ts';
import { FactoryError } from '../errors.ts';
import { type ConfigScope, everyScope, isSameScope } from '../harness/scope.ts';
import { formatReference, type ImageName } from '../oci/spec/reference.ts';
import { type FieldChange, type Plan, settingsInPlan, type Snapshot, type SoakingVersion } from '../state/documents.ts';
import { readInventory } from '../state/inventory.ts';
import type { ImageConnector } from '../overrides/image-connector.ts';
import { isOurs } from '../overrides/override.ts';
import { describeLock, type Lock, type LockOutcome } from '../state/lock.ts';
import { readRefusedFields, refusedOn } from '../state/refused-fields.ts';
import { checkCopies, checkTargetNames } from './limits.ts';
import { findUnusedImages } from './unused-images.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { parseExecutionInput, type RunSettings } from '../settings/execution-input.ts';
import { webhookRunPrefix } from '../settings/run-names.ts';
import { scheduledInput } from '../settings/schedule-mark.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import { type Changes, resetChanges, restoreChanges, syncChanges } from './changes.ts';
import { blobMounting } from './blob-mounting.ts';
import { checkConnector, type Planned, readConnector } from './connector.ts';
import { findDefaultsAhead } from './defaults-ahead.ts';
import { asWritten, withCopiesNamed } from './relative-values.ts';
import { checkWritePermission } from '../overrides/write-permission.ts';
import { leaveFirstSwitch } from './first-switch.ts';
import { findExtras, missingWarnings, withoutMissing } from './extra-images.ts';
import { type ImagePlan, planCopies, planImages } from './images.ts';
import { pairWarnings } from './pair-warnings.ts';
import { reachWarnings } from './reach.ts';
import {
  leftConnectorWarnings,
  manageConnector,
  type ManagedConnector,
  restoreConnector,
} from './managed-connector.ts';
import { planRepairs } from './repairs.ts';
import { readSnapshot } from './restore.ts';
import { planNothing, type PlanResult } from './plan-result.ts';
import { planRecovery, stoppedRunOf } from './recovery.ts';
import { readScope, type ScopeConfiguration } from '../overrides/scope-configuration.ts';
import { fieldFilter, selectFields, unlistedImages } from './selection.ts';
import { holdBack } from '../overrides/pairs.ts';
import { skippedSources } from './skipped-sources.ts';
import { holdTags, planSoak } from './soak.ts';
import { refuseUnmatched, unmatchedNames, unmatchedPlatforms } from './unmatched.ts';

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
  const { accountId } = await runtime.harness();
  const lock = await lockFor(runId, settings, accountId, run);
  const trigger = scheduled ? 'schedule' : triggerOf(runId, runtime);
  const head = { ...settingsInPlan.parse(settings), runId, startedAt: startedAt.toISOString(), trigger, accountId };
  if (lock.holder) return planNothing({ ...head, skipped: describeLock(lock.holder) }, 'report', runtime);
  // Started while Harness and the registries are read.
  const connector = settings.action === 'reset' ? undefined : awaitedLater(readConnector(run));
  const snapshot = settings.action === 'restore' ? await readSnapshot(settings.restoreRun, runtime) : undefined;
  const scopes = await Promise.all((snapshot?.scopes ?? scopesOf(settings)).map((scope) => readScope(scope, run)));
  const named = await withCopiesNamed(scopes, settings, runtime);
  const decision: Decision = snapshot
    ? { images: [], waves: [], warnings: [], ...restoreChanges(scopes, snapshot) }
    : await decide(settings, named, startedAt, run);
  if (!snapshot) Object.assign(decision, asWritten(decision, scopes, settings));
  const { images, waves, warnings } = decision;
  if (['sync', 'plan'].includes(settings.action)) checkCopies(waves, runtime.configuration.buildPushTemplate);
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
  const planned = { changes: accepted.changes, scopes, images };
  const found = await connector;
  // A schedule leaves the connector to the person who switches first.
  const managed =
    first?.isDone === false ? { warnings: [] } : await planConnector(found, planned, settings, snapshot, run);
  const view = managed.blocked ? { ...planned, changes: [] } : planned;
  const check = found && (await checkConnector(afterChange(found, managed, settings), view, settings, run));
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
    ...(mounting?.mounts && { mounts: mounting.mounts }),
    images,
    changes,
    kept,
    inUse: referencesAtOurs(named, settings),
    unused: [],
    ...(decision.soaking && { soaking: decision.soaking }),
    ...((await ahead).length > 0 && { ahead: await ahead }),
    warnings,
    ...(pulls && { pulls }),
    ...(change && { connector: change }),
    ...(blocked && { blocked }),
    ...(first?.awaiting && { awaiting: first.awaiting }),
  };
  if (settings.action === 'plan' || settings.action === 'verify' || settings.prune) {
    Object.assign(document, await lookForUnused(document, settings.keepVersions, scopes, run));
  }
  document.registries = runtime.takeCounts();
  const documents = runtime.run(runId);
  await documents.plan.put(document);
  await documents.changes.put({ changes, held: [] });
  return {
    runId,
    route: routeOf(settings, changes.length > 0 || change !== undefined),
    waves: settings.action === 'sync' ? waves : [],
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

/** Takes the account's lock. An action that only reads takes none and waits for none. */
async function lockFor(
  runId: string,
  { action }: RunSettings,
  accountId: string,
  { runtime, signal }: TaskRun,
): Promise<LockOutcome> {
  return action === 'plan' || action === 'verify' ? {} : runtime.lock.take({ runId, action }, accountId, signal);
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

function writesConfig({ action, modifyDefault }: RunSettings): boolean {
  return action === 'reset' || action === 'restore' || (action === 'sync' && modifyDefault);
}

function routeOf({ action }: RunSettings, writes: boolean): PlanResult['route'] {
  switch (action) {
    case 'sync':
      return 'copy';
    case 'reset':
    case 'restore':
      return writes ? 'configure' : 'report';
    case 'verify':
      return 'verify';
    case 'plan':
      return 'report';
  }
}

/**
 * Looks for unused copies. A key that cannot read another module cannot rule out that a copy is in use: that is a
 * warning, since the run has other work.
 */
async function lookForUnused(
  document: Plan,
  keepVersions: number,
  scopes: readonly ScopeConfiguration[],
  run: TaskRun,
): Promise<Pick<Plan, 'unused' | 'warnings'>> {
  const { warnings } = document;
  try {
    return { unused: await findUnusedImages(document, keepVersions, scopes, run), warnings };
  } catch (error) {
    run.signal?.throwIfAborted();
    if (!(error instanceof FactoryError) || error.name === 'StoreFailed') throw error;
    return { unused: [], warnings: [...warnings, `could not look for unused copies: ${error.message}`] };
  }
}

type Decision = ImagePlan &
  Changes & {
    soaking?: SoakingVersion[];
    warnings: string[];
    /** The result of `checkPermission`, when it has been started already. */
    permission?: Promise<string[]>;
  };

/** Checks that the key may write what the run writes. Returns warnings. */
async function checkPermission(
  changes: readonly FieldChange[],
  settings: RunSettings,
  run: TaskRun,
): Promise<string[]> {
  return writesConfig(settings) && changes.length > 0 ? checkWritePermission(run) : [];
}

/** Holds every change back: Harness would pull other images than those that the run writes. */
function holdAll({ changes, held }: ReturnType<typeof holdBack>): ReturnType<typeof holdBack> {
  const all = holdBack(changes, () => "the connector of Harness's images is in the way");
  return { changes: all.changes, held: [...held, ...all.held] };
}

async function decide(
  settings: RunSettings,
  scopes: readonly ScopeConfiguration[],
  now: Date,
  run: TaskRun,
): Promise<Decision> {
  const unmatched = unmatchedNames(settings, scopes);
  if (settings.action === 'reset') {
    const changes = resetChanges(scopes, { ...settings, chosen: fieldFilter(settings) });
    const warnings = refuseUnmatched(unmatched, settings.allowUnmatched);
    warnings.push(...(await leftConnectorWarnings(settings, run.runtime)));
    return { images: [], waves: [], ...changes, warnings };
  }
  // Only the images show their platforms: when the input chooses some, report all problems together once the images are
  // read.
  if (settings.platforms.length === 0) refuseUnmatched(unmatched, settings.allowUnmatched);
  const { fields, warnings } = selectFields(scopes, settings);
  const extras = await findExtras(settings, scopes, run);
  const official = [...fields.map(({ image }) => image), ...unlistedImages(fields, settings)];
  const names = distinct([...official, ...extras.extras.map(({ image }) => image)]);
  checkTargetNames(names, settings.registry);
  const overridden = scopes.flatMap(({ overrides }) => Object.values(overrides));
  // Started during the lookup of the images. The result counts only if something is left to switch.
  const likely = syncChanges(fields, scopes, { ...settings, soaking: new Map(), heldTags: new Set(), ripe: new Map() });
  const permission = awaitedLater(checkPermission(likely.changes, settings, run));
  const inventory = await readInventory(run.runtime.store);
  const read = settings.action !== 'verify';
  const looked = await planImages(
    names,
    { ...settings, read, expected: new Set([...overridden, ...Object.keys(inventory)]) },
    run,
  );
  const chosen = extras.extras.filter(({ set }) => set === undefined).map(({ image }) => image);
  const required = new Set([...official, ...chosen].map(formatReference));
  const { found, missing } = withoutMissing(looked.found, extras, required);
  unmatched.push(...unmatchedPlatforms(settings.platforms, found));
  warnings.push(...refuseUnmatched(unmatched, settings.allowUnmatched));
  const soak = await planSoak(fields, found, { ...settings, read, inventory, now }, run);
  const heldTags = await holdTags(found, soak, settings.referrers, run);
  const changes = syncChanges(fields, scopes, { ...settings, ...soak, heldTags });
  const switched = new Set(settings.modifyDefault ? changes.changes.flatMap(({ image }) => image ?? []) : []);
  const moved = new Set(soak.found.map(({ planned: { target } }) => formatReference(target)));
  const inUse = referencesAtOurs(scopes, settings).filter((reference) => !moved.has(reference));
  // Verify looks below every image itself, and lists the missing pieces among the differences.
  const repairs = read
    ? await planRepairs(found, { ...settings, now, switched, inUse, inventory }, run)
    : { held: [], warnings: [] };
  // A version that this run replaces need not be complete.
  const left = settings.modifyDefault ? changes.changes : [];
  const held = repairs.held.filter(
    ({ planned: { status, target } }) => status === 'copy' || isKept(formatReference(target), scopes, left),
  );
  return {
    ...planCopies([...found, ...soak.found, ...held]),
    ...changes,
    ...(soak.versions.length > 0 && { soaking: soak.versions }),
    warnings: [
      ...warnings,
      ...soak.warnings,
      ...extras.warnings,
      ...missingWarnings(missing),
      ...skippedSources(found, settings.sources),
      ...looked.warnings,
      ...repairs.warnings,
    ],
    permission,
  };
}

/** Returns whether an override still names the reference after the changes. */
function isKept(reference: string, scopes: readonly ScopeConfiguration[], changes: readonly FieldChange[]): boolean {
  return scopes.some((scope) =>
    Object.entries(scope.overrides).some(
      ([field, value]) =>
        value === reference && !changes.some((change) => change.field === field && isSameScope(change, scope)),
    ),
  );
}

/** Returns the references at our registry that overrides name, each once. */
function referencesAtOurs(scopes: readonly ScopeConfiguration[], { registry }: RunSettings): string[] {
  const values = scopes.flatMap(({ overrides }) => Object.values(overrides));
  return [...new Set(values)].filter((value) => isOurs(value, registry));
}

/** Returns each image once, no matter how many fields use it. */
function distinct(images: readonly ImageName[]): ImageName[] {
  return [...new Map(images.map((image) => [formatReference(image), image])).values()];
}

/** Returns the scopes to read. Only module ci has infrastructure types other than Kubernetes. */
function scopesOf({ modules, infrastructureTypes }: RunSettings): ConfigScope[] {
  return modules.flatMap((module) =>
    infrastructureTypes.flatMap((infrastructureType) =>
      everyScope.filter((scope) => isSameScope(scope, { module, infrastructureType })),
    ),
  );
}
