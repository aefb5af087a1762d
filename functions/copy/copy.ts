import { FactoryError } from '../errors.ts';
import { copyImage, counting } from '../oci/copy/copy-image.ts';
import { copyReferrers } from '../oci/copy/copy-referrers.ts';
import { Deadline, Paused } from '../oci/copy/deadline.ts';
import type { Digest } from '../oci/spec/digest.ts';
import type { Source } from '../oci/registry/source.ts';
import { profileOf } from '../oci/registry/profile.ts';
import { formatReference, type Reference } from '../oci/spec/reference.ts';
import type { Registry } from '../oci/registry/registry.ts';
import { manifestReader, placeOf, readImage } from '../images/images.ts';
import { sumCounts } from '../runtime/registry-counts.ts';
import { isFailureOf, sourceNote } from '../images/source-failure.ts';
import { checkpointOf } from '../state/checkpoints.ts';
import type { CopiedImage, CopyResult, CopyState, Plan } from '../state/documents.ts';
import { describePieces, unrepaired } from '../images/pieces.ts';
import { type Root, Wholeness } from '../images/wholeness.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import { checkArrival } from './arrival.ts';
import { build } from './build.ts';
import { bundleSource } from './bundle-source.ts';
import { newCopyState, noteCall } from './copy-state.ts';
import { moveTags, type MoveTagsEvent } from './move-tags.ts';
import { ensureRepository, pushFailure } from './repository.ts';

export interface CopyEvent {
  runId: string;
  /** Index into the plan's images. */
  image: number;
}

export interface CopyTaskResult {
  status: CopyResult['status'] | 'continue';
  /** The time to wait before the next call, when `status` is `continue`. */
  waitSeconds: number;
}

/**
 * Copies one image of the plan, as far as possible before the deadline. A failed image is a result, not an error of the
 * task: the gate decides what it means once all copies have ended. Throws only when the result cannot be stored: the
 * workflow keeps nothing but the name of an error. Called with `tags`, it moves these instead.
 */
export async function copy(event: CopyEvent | MoveTagsEvent, run: TaskRun): Promise<CopyTaskResult> {
  if ('tags' in event) return moveTags(event, run);
  try {
    return await copyOnce(event, run);
  } catch (thrown) {
    run.signal?.throwIfAborted();
    const document = run.runtime.run(event.runId).copyResult(event.image);
    const known = await document.find();
    if (known && known.status !== 'failed') return { status: known.status, waitSeconds: 0 };
    const error = FactoryError.from(thrown);
    const failed: CopyResult = { status: 'failed', bytesTransferred: 0, bytesSkipped: 0, error: error.toJSON() };
    await document.put(failed);
    run.runtime.progress({
      kind: 'note',
      message: `image ${event.image} of the plan: ${error.name}: ${error.message}`,
    });
    return { status: 'failed', waitSeconds: 0 };
  }
}

async function copyOnce(event: CopyEvent, run: TaskRun): Promise<CopyTaskResult> {
  const { runtime, deadline = Deadline.never } = run;
  const documents = runtime.run(event.runId);
  const stateDocument = documents.copyState(event.image);
  const [plan, stored, known] = await Promise.all([
    runtime.plan(event.runId),
    // The stored state is a hint: start over when it cannot be read.
    stateDocument.find().catch(() => undefined),
    // The task may run again after it has stored its result.
    documents.copyResult(event.image).find(),
    runtime.lock.renew(event.runId),
  ]);
  const planned = plan.images[event.image];
  if (planned?.status !== 'copy') throw new RangeError(`the plan of run ${event.runId} has no image ${event.image}`);
  const { image, digest } = planned;
  const state = stored ?? newCopyState();
  if (stored === undefined) runtime.progress({ kind: 'image-started', image, bytes: planned.uniqueSize ?? 0 });
  const attempted = () =>
    digest === undefined
      ? build(plan, event.image, planned, run)
      : attempt({ plan, planned: { ...planned, digest }, state }, run);
  const result = known && known.status !== 'failed' ? known : await attempted();
  const registries = sumCounts([...(known?.registries ?? state.registries), ...runtime.takeCounts()]);
  if (result instanceof Paused) {
    await stateDocument.put({ ...state, registries });
    const waitSeconds = Math.ceil(Math.max(0, (result.notBefore ?? 0) - deadline.now()) / 1_000);
    await runtime.lock.renew(event.runId, waitSeconds);
    const reason = `${result.registry ?? 'a registry'} requested a pause`;
    if (waitSeconds > 0) runtime.progress({ kind: 'wait', subject: image, reason, seconds: waitSeconds });
    return { status: 'continue', waitSeconds };
  }
  await documents.copyResult(event.image).put({ ...timesOf(state), ...result, registries });
  runtime.progress({
    kind: 'image-finished',
    image,
    status: result.status,
    ...(result.error && { message: result.error.message }),
  });
  return { status: result.status, waitSeconds: 0 };
}

/** Returns the times of a copy that ends now. The times of a result that was stored before stay as they are. */
function timesOf({ startedAt, attempts = 0 }: CopyState): Pick<CopyResult, 'startedAt' | 'endedAt' | 'attempts'> {
  return {
    ...(startedAt !== undefined && { startedAt, endedAt: new Date().toISOString() }),
    ...(attempts > 0 && { attempts }),
  };
}

interface Copying {
  plan: Plan;
  planned: CopiedImage & { digest: Digest };
  state: CopyState;
}

/** Updates the state. Returns `Paused` when the copy must continue later. */
async function attempt(copying: Copying, run: TaskRun): Promise<CopyResult | Paused> {
  const { plan, planned, state } = copying;
  const { runtime, signal, deadline = Deadline.never } = run;
  const work = (each?: AbortSignal) => copyFromAny(copying, { ...run, signal: each });
  try {
    const left = sourcesOf(planned, state);
    // Do not wait for a pause that only one of several sources asks for.
    const references = left.length > 1 ? [planned.target] : [...left, planned.target];
    const registries = (plan.bundle ? [planned.target] : references).map(({ registry }) => runtime.registry(registry));
    try {
      return await deadline.during(registries, signal, work);
    } catch (error) {
      if (!(error instanceof Paused)) throw error;
      noteCall(state, planned.image, error);
      return error;
    }
  } catch (error) {
    signal?.throwIfAborted();
    const failure = FactoryError.from(error);
    const told = planned.missing ? unrepaired(planned, failure) : failure;
    return { status: 'failed', bytesTransferred: 0, bytesSkipped: 0, error: told.toJSON() };
  }
}

/** Returns the sources to try: the one in use and those after it. */
function sourcesOf({ source, otherSources = [] }: CopiedImage, state: CopyState): Reference[] {
  const all = [source, ...otherSources];
  return all.slice(Math.max(0, all.map(formatReference).indexOf(state.source ?? '')));
}

/** Copies from the first source that serves the image. Pulls by digest, so every source serves the same content. */
async function copyFromAny(copying: Copying, run: TaskRun): Promise<CopyResult> {
  const { plan, planned, state } = copying;
  const { runtime, signal } = run;
  if (plan.bundle) return copyPlanned(copying, await bundleSource(plan.bundle, planned, run), run);
  let first: unknown;
  const sources = sourcesOf(planned, state);
  for (const [index, reference] of sources.entries()) {
    const name = formatReference(reference);
    if (first !== undefined) state.source = name;
    state.attempts = (state.attempts ?? 0) + 1;
    try {
      const result = await copyPlanned(copying, runtime.repository(reference), run);
      return reference === planned.source ? result : { ...result, source: name };
    } catch (error) {
      signal?.throwIfAborted();
      if (!isFailureOf(reference.registry, error)) throw error;
      // Report the first failure: it is more informative than that of a source tried after it.
      first ??= error;
      const next = sources[index + 1];
      if (next) runtime.progress({ kind: 'note', message: sourceNote(reference, error, next) });
    }
  }
  // A later call starts with the first source again: it may serve the image by then.
  delete state.source;
  throw first;
}

async function copyPlanned(
  { plan, planned, state }: Copying,
  source: Source,
  { runtime, signal, deadline = Deadline.never }: TaskRun,
): Promise<CopyResult> {
  const { digest } = planned;
  const target = placeOf(planned);
  const destination = runtime.repository(target);
  const root = await runtime.manifests.through(digest, () => source.manifest(digest, signal));
  const image = await readImage(root, source, { runtime, signal });
  const ledger = runtime.ledger(plan.runId, target.registry);
  planned.mounts?.forEach((repository, blob) => ledger.expect(blob, repository));
  const onProgress = (event: { kind: string; bytes: number }) => {
    if (event.kind === 'transferred')
      runtime.progress({ kind: 'image-progress', image: planned.image, bytes: event.bytes });
  };

  if (planned.present) {
    state.image = { bytesTransferred: 0, bytesSkipped: image.size };
  } else if (!state.arrived) {
    // On Lambda each copy runs in its own process, so divide the registry's pace between them.
    if (deadline !== Deadline.never) destination.registry.shareOf(plan.maxConcurrency ?? 1);
    adaptMounts(destination.registry, plan);
    const ensured = await ensureRepository(target, runtime);
    const { fresh } = ensured;
    const repair = planned.missing !== undefined;
    const stored = checkpointOf(runtime.store, target, digest);
    const { confirmed, ...totals } = await copyImage(source, destination, {
      image,
      tag: target.tag,
      ledger,
      fresh,
      repair,
      deadline,
      // A hint: the copy starts over when it cannot be read.
      checkpoint: await stored.find().catch(() => undefined),
      onCheckpoint: async (checkpoint, soFar) => {
        state.image = soFar;
        await stored.put(checkpoint);
      },
      layerUploads: await runtime.parts.layerUploads?.(target.registry),
      onProgress,
      signal,
    }).catch((error: unknown) => {
      throw pushFailure(error, ensured);
    });
    state.image = totals;
    if (!confirmed) await checkArrival(destination, target, digest, signal);
    if (repair) await checkRepair({ repository: destination, digest }, planned, plan, { runtime, signal });
    state.arrived = true;
  }
  // The root and the images of an index: each may have signatures.
  const subjects = image.manifests.map(({ digest: subject }) => subject);
  const { warnings } = await copyReferrers({
    source,
    destination,
    subjects,
    policy: plan.referrers,
    ledger,
    read: manifestReader(source, { runtime, signal }),
    ...counting({ onProgress }, state.referrers),
    signal,
  });
  return {
    status: statusOf(planned, state),
    bytesTransferred: state.image.bytesTransferred + state.referrers.bytesTransferred,
    bytesSkipped: state.image.bytesSkipped + state.referrers.bytesSkipped,
    ...(warnings.length > 0 && { warnings }),
  };
}

function statusOf({ missing, present }: CopiedImage, { referrers }: CopyState): CopyResult['status'] {
  if (missing) return 'repaired';
  return present && referrers.bytesTransferred === 0 ? 'skipped' : 'copied';
}

/** Checks a repaired image again: a registry may accept a missing piece and still not serve it. */
async function checkRepair(
  root: Root,
  { target }: CopiedImage,
  { action }: Plan,
  { runtime, signal }: TaskRun,
): Promise<void> {
  const missing = await new Wholeness(runtime).missing(root, { signal });
  if (missing.length === 0) return;
  throw new FactoryError(
    'ImagesIncomplete',
    `the registry accepted the missing pieces, but ${formatReference(target)} still lacks ${describePieces(missing)}`,
    {
      hint: `Check the registry's storage and log. Delete the repository there and run its garbage collection: the next ${action} copies everything again.`,
    },
  );
}

/** Applies the plan's mount setting. The registry object outlives a run, and the setting may change between runs. */
function adaptMounts(registry: Registry, { mounts }: Plan): void {
  if (mounts === 'off') registry.adapt({ mount: 'never' }, `${registry.name} does not mount blobs`);
  else registry.adapt({ mount: profileOf(registry.name).mount }, `${registry.name} mounts blobs again`);
}
