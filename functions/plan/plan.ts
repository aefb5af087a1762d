import { FactoryError } from '../errors.ts';
import type { ConfigScope } from '../harness/scope.ts';
import { formatReference, type ImageName, parseImageName, type Reference, tagOrDigest } from '../oci/reference.ts';
import { resolveTag } from '../oci/manifests.ts';
import type { FieldChange, Plan, Snapshot } from '../run/documents.ts';
import { readRefusedFields, refusedOn } from '../run/refused-fields.ts';
import { findUnusedImages } from './unused-images.ts';
import type { Runtime } from '../runtime.ts';
import { parseExecutionInput, type RunSettings } from '../settings/execution-input.ts';
import type { TaskRun } from '../task.ts';
import { type Changes, resetChanges, restoreChanges, syncChanges } from './changes.ts';
import { checkConnector } from './connector.ts';
import { repositoryOf } from '../run/images.ts';
import { type ImagePlan, planImages } from './images.ts';
import { fieldFilter, type ScopeConfiguration, type SelectedField, selectFields, unlistedImages } from './selection.ts';
import { isOurs } from '../run/override.ts';
import { holdBack } from '../run/pairs.ts';
import { soakingImages } from './soak.ts';

export interface PlanEvent {
  runId: string;
  input: unknown;
}

/** What the workflow needs to know; everything else is in the plan document. */
export interface PlanResult {
  runId: string;
  route: 'copy' | 'configure' | 'verify' | 'report';
  owners: number[];
  followers: number[];
  maxConcurrency: number;
  prune: boolean;
}

/** Validates the input, learns from Harness and the registries what there is, and decides what is to be done. */
export async function plan({ runId, input }: PlanEvent, { runtime, signal }: TaskRun): Promise<PlanResult> {
  const startedAt = new Date();
  const settings = parseExecutionInput(input, runtime.configuration);
  const snapshot = settings.action === 'restore' ? await readSnapshot(settings, runtime) : undefined;
  const scopes = await readScopes(snapshot?.scopes ?? scopesOf(settings), runtime, signal);
  const decision = snapshot
    ? await decideRestore(snapshot, scopes, settings, runtime, signal)
    : await decide(settings, scopes, startedAt, runtime, signal);
  const { images, owners, followers, warnings } = decision;
  const refused = await readRefusedFields(runtime.store);
  const { changes, held } = holdBack(decision.changes, (change) => {
    const day = refusedOn(refused, change, startedAt);
    return day && `Harness refused on ${day} to change this field; it is tried again after 30 days`;
  });
  const kept = [...decision.kept, ...held];
  if (settings.modifyDefault || settings.action === 'restore') await checkConnector(changes, runtime, signal);
  const document: Plan = {
    runId,
    action: settings.action,
    startedAt: startedAt.toISOString(),
    registry: settings.registry,
    modifyDefault: settings.modifyDefault,
    onPartialFailure: settings.onPartialFailure,
    referrers: settings.referrers,
    prune: settings.prune,
    images,
    changes,
    kept,
    unused: [],
    warnings,
  };
  if (settings.action === 'plan' || settings.action === 'verify' || settings.prune) {
    Object.assign(document, await lookForUnused(document, settings.keepVersions, scopes, runtime, signal));
  }
  const documents = runtime.run(runId);
  await documents.plan.put(document);
  await documents.changes.put({ changes, held: [] });
  return {
    runId,
    route: routeOf(settings, changes),
    owners: settings.action === 'sync' ? owners : [],
    followers: settings.action === 'sync' ? followers : [],
    maxConcurrency: settings.maxConcurrency,
    prune: settings.prune,
  };
}

function routeOf({ action }: RunSettings, changes: readonly FieldChange[]): PlanResult['route'] {
  switch (action) {
    case 'sync':
      return 'copy';
    case 'reset':
    case 'restore':
      return changes.length > 0 ? 'configure' : 'report';
    case 'verify':
      return 'verify';
    case 'plan':
      return 'report';
  }
}

/** A key that may not read some other module cannot tell what is unused; the run is not about that. */
async function lookForUnused(
  document: Plan,
  keepVersions: number,
  scopes: readonly ScopeConfiguration[],
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<Pick<Plan, 'unused' | 'warnings'>> {
  const { warnings } = document;
  try {
    return { unused: await findUnusedImages(document, keepVersions, scopes, runtime, signal), warnings };
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof FactoryError) || error.name === 'StoreFailed') throw error;
    return { unused: [], warnings: [...warnings, `unused copies could not be looked for: ${error.message}`] };
  }
}

type Decision = ImagePlan & Changes & { warnings: string[] };

async function decide(
  settings: RunSettings,
  scopes: readonly ScopeConfiguration[],
  now: Date,
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<Decision> {
  if (settings.action === 'reset') {
    const changes = resetChanges(scopes, { ...settings, chosen: fieldFilter(settings) });
    return { images: [], owners: [], followers: [], ...changes, warnings: [] };
  }
  const { fields, warnings } = selectFields(scopes, settings);
  const images = await planImages(
    imagesOf(fields, settings),
    { ...settings, read: settings.action !== 'verify' },
    runtime,
    signal,
  );
  const keys = images.images.map(({ image }) => image);
  const soaking = await soakingImages(runtime.store, keys, settings.soakDays, now);
  const changes = syncChanges(fields, scopes, { ...settings, soaking });
  return { ...images, ...changes, warnings: [...warnings, ...images.warnings] };
}

/** Each image once, however many fields use it. */
function imagesOf(fields: readonly SelectedField[], settings: RunSettings): ImageName[] {
  const images = [
    ...fields.map(({ image }) => image),
    ...unlistedImages(fields, settings),
    ...settings.extraImages.map(withTag),
  ];
  return [...new Map(images.map((image) => [formatReference(image), image])).values()];
}

function withTag(image: ImageName): ImageName {
  return image.tag === undefined && image.digest === undefined ? { ...image, tag: 'latest' } : image;
}

async function readScopes(
  scopes: readonly ConfigScope[],
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<ScopeConfiguration[]> {
  const harness = await runtime.harness();
  return Promise.all(
    scopes.map(async ({ module, infrastructureType }) => {
      const scope = { module, infrastructureType };
      const [defaults, overrides] = await Promise.all([
        harness.defaultConfig(scope, signal),
        harness.overrides(scope, signal),
      ]);
      return { ...scope, defaults, overrides };
    }),
  );
}

/** Only module ci knows more than Kubernetes. */
function scopesOf({ modules, infrastructureTypes }: RunSettings): ConfigScope[] {
  return modules.flatMap((module) =>
    infrastructureTypes
      .filter((infrastructureType) => module === 'ci' || infrastructureType === 'K8')
      .map((infrastructureType) => ({ module, infrastructureType })),
  );
}

async function readSnapshot({ restoreRun = '' }: RunSettings, runtime: Runtime): Promise<Snapshot> {
  const snapshot = await runtime.run(restoreRun).snapshot.find();
  const { accountId } = await runtime.harness();
  if (snapshot?.accountId === accountId) return snapshot;
  throw new FactoryError('SnapshotNotFound', `there is no snapshot of run ${restoreRun} for account ${accountId}`, {
    hint: 'Only a run that changed the configuration has one: "factory history" lists them.',
  });
}

async function decideRestore(
  snapshot: Snapshot,
  scopes: readonly ScopeConfiguration[],
  settings: RunSettings,
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<Decision> {
  const { changes, kept } = restoreChanges(scopes, snapshot);
  await checkRestored(changes, settings, runtime, signal);
  return { images: [], owners: [], followers: [], changes, kept, warnings: [] };
}

/** A snapshot may be old: what it names at our registry must still be there. */
async function checkRestored(
  changes: readonly FieldChange[],
  settings: RunSettings,
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<void> {
  for (const value of new Set(changes.flatMap(({ to }) => (to === null ? [] : [to])))) {
    if (!isOurs(value, settings.registry)) continue;
    const reference = parseImageName(value) as Reference;
    if ((await resolveTag(repositoryOf(reference, runtime), tagOrDigest(reference), signal)) === undefined) {
      throw new FactoryError('ImageNotFound', `the snapshot names ${value}, which is not at the registry any more`, {
        hint: 'Run sync, or reset to use the images of Harness.',
      });
    }
  }
}
