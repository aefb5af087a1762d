import { FactoryError } from '../errors.ts';
import type { ConfigScope } from '../harness/scope.ts';
import { formatReference, type ImageName, isInside, parseImageName, tagOrDigest } from '../oci/reference.ts';
import { resolveTag } from '../oci/manifests.ts';
import type { FieldChange, Plan } from '../run/documents.ts';
import { findUnusedImages } from '../prune/unused-images.ts';
import type { Runtime } from '../runtime.ts';
import { parseExecutionInput, type RunSettings } from '../settings/execution-input.ts';
import type { TaskRun } from '../task.ts';
import { type Changes, resetChanges, restoreChanges, syncChanges } from './changes.ts';
import { checkConnector } from './connector.ts';
import { type ImagePlan, planImages, repositoryOf } from './images.ts';
import { fieldFilter, type ScopeConfiguration, type SelectedField, selectFields, unlistedImages } from './selection.ts';
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
  const scopes = await readScopes(settings, runtime, signal);
  const { images, owners, followers, changes, kept, warnings } = await decide(
    settings,
    scopes,
    startedAt,
    runtime,
    signal,
  );
  await checkConnector(changes, runtime, signal);
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
    document.unused = await findUnusedImages(document, settings.keepVersions, scopes, runtime, signal);
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

type Decision = ImagePlan & Changes & { warnings: string[] };

async function decide(
  settings: RunSettings,
  scopes: readonly ScopeConfiguration[],
  now: Date,
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<Decision> {
  const nothing = { images: [], owners: [], followers: [], warnings: [] };
  if (settings.action === 'reset') {
    return { ...nothing, ...resetChanges(scopes, { ...settings, chosen: fieldFilter(settings) }) };
  }
  if (settings.action === 'restore') {
    const changes = await restore(settings, scopes, runtime);
    await checkRestored(changes.changes, settings, runtime, signal);
    return { ...nothing, ...changes };
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
  return { ...images, ...syncChanges(fields, scopes, { ...settings, soaking }), warnings };
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
  settings: RunSettings,
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<ScopeConfiguration[]> {
  const harness = await runtime.harness();
  return Promise.all(
    scopesOf(settings).map(async (scope) => {
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

async function restore(
  settings: RunSettings,
  scopes: readonly ScopeConfiguration[],
  runtime: Runtime,
): Promise<Changes> {
  const runId = settings.restoreRun ?? '';
  const snapshot = await runtime.run(runId).snapshot.find();
  const { accountId } = await runtime.harness();
  if (!snapshot || snapshot.accountId !== accountId) {
    throw new FactoryError('SnapshotNotFound', `there is no snapshot of run ${runId} for account ${accountId}`, {
      hint: 'Only a run that changed the configuration has one: "factory history" lists them.',
    });
  }
  return restoreChanges(scopes, snapshot);
}

/** A snapshot may be old: what it names at our registry must still be there. */
async function checkRestored(
  changes: readonly FieldChange[],
  settings: RunSettings,
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<void> {
  for (const value of new Set(changes.flatMap(({ to }) => (to === null ? [] : [to])))) {
    const image = parseImageName(value);
    if (!isInside(image, settings.registry)) continue;
    const reference = { ...image, registry: settings.registry.registry };
    if ((await resolveTag(repositoryOf(reference, runtime), tagOrDigest(reference), signal)) === undefined) {
      throw new FactoryError('ImageNotFound', `the snapshot names ${value}, which is not at the registry any more`, {
        hint: 'Run sync, or reset to use the images of Harness.',
      });
    }
  }
}
