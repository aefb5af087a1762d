import { FactoryError } from '../errors.ts';
import { type CopiedImage, copyImage } from '../oci/copy-image.ts';
import { copyReferrers } from '../oci/copy-referrers.ts';
import type { Digest } from '../oci/digest.ts';
import { getManifest, resolveTag } from '../oci/manifests.ts';
import { hasTags } from '../oci/tags.ts';
import { parseImageName, type Reference } from '../oci/reference.ts';
import { readImage, repositoryOf } from '../run/images.ts';
import type { CopyResult, Plan, PlannedImage } from '../run/documents.ts';
import type { Runtime } from '../runtime.ts';
import type { TaskRun } from '../task.ts';

export interface CopyEvent {
  runId: string;
  /** Index into the plan's images. */
  image: number;
}

export interface CopyTaskResult {
  status: 'copied' | 'skipped' | 'failed' | 'continue';
  /** How long the workflow waits before it calls again, with `continue`. */
  waitSeconds: number;
}

/**
 * Copies one image of the plan. A failed image is a result, not an error of the task: what it means for the run is
 * decided at the gate, when all copies are done.
 */
export async function copy(event: CopyEvent, { runtime, signal }: TaskRun): Promise<CopyTaskResult> {
  const documents = runtime.run(event.runId);
  const plan = await documents.plan.get();
  const planned = plan.images[event.image];
  if (!planned) throw new RangeError(`the plan of run ${event.runId} has no image ${event.image}`);
  runtime.progress({ kind: 'image-started', image: planned.image, bytes: planned.uniqueSize ?? 0 });
  // A task that is called again after it had finished finds its result.
  const known = await documents.copyResult(event.image).find();
  const result = known && known.status !== 'failed' ? known : await attempt(plan, planned, runtime, signal);
  await documents.copyResult(event.image).put(result);
  runtime.progress({
    kind: 'image-finished',
    image: planned.image,
    status: result.status,
    ...(result.error && { message: result.error.message }),
  });
  return { status: result.status, waitSeconds: 0 };
}

async function attempt(plan: Plan, planned: PlannedImage, runtime: Runtime, signal?: AbortSignal): Promise<CopyResult> {
  try {
    return await copyPlanned(plan, planned, runtime, signal);
  } catch (error) {
    signal?.throwIfAborted();
    return { status: 'failed', bytesTransferred: 0, bytesSkipped: 0, error: FactoryError.from(error).toJSON() };
  }
}

async function copyPlanned(
  plan: Plan,
  planned: PlannedImage,
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<CopyResult> {
  const source = repositoryOf(parseImageName(planned.source ?? '') as Reference, runtime);
  const target = parseImageName(planned.target) as Reference;
  const destination = repositoryOf(target, runtime);
  const digest = planned.digest as Digest;
  const root = await runtime.manifests.through(digest, () => getManifest(source, digest, signal));
  const image = await readImage(root, source, runtime, signal);
  const ledger = runtime.ledger(plan.runId, target.registry);
  for (const [blob, repository] of Object.entries(planned.mounts ?? {})) ledger.expect(blob as Digest, repository);
  const onProgress = (event: { kind: string; bytes: number }) => {
    if (event.kind === 'transferred')
      runtime.progress({ kind: 'image-progress', image: planned.image, bytes: event.bytes });
  };

  let copied: CopiedImage = { bytesTransferred: 0, bytesSkipped: image.size, confirmed: true };
  if (!planned.present) {
    await runtime.repositories.ensure(target.registry, target.repository);
    const fresh = !(await hasTags(destination, signal));
    copied = await copyImage({ source, destination, image, tag: target.tag, fresh, ledger, onProgress, signal });
    if (!copied.confirmed) await checkArrival(destination, target, digest, signal);
  }
  // A root and the images of an index: each may be signed.
  const subjects = image.manifests.map(({ digest: subject }) => subject);
  const extra = await copyReferrers({
    source,
    destination,
    subjects,
    policy: plan.referrers,
    ledger,
    onProgress,
    signal,
  });
  return {
    status: planned.present && extra.bytesTransferred === 0 ? 'skipped' : 'copied',
    bytesTransferred: copied.bytesTransferred + extra.bytesTransferred,
    bytesSkipped: copied.bytesSkipped + extra.bytesSkipped,
  };
}

/** The registry's word that the tag now leads to what was meant. */
async function checkArrival(
  destination: Parameters<typeof resolveTag>[0],
  target: Reference,
  digest: Digest,
  signal?: AbortSignal,
): Promise<void> {
  const arrived = await resolveTag(destination, target.tag ?? digest, signal);
  if (arrived === digest) return;
  throw new FactoryError(
    'DigestMismatch',
    `${target.registry}/${target.repository}:${target.tag} is ${arrived ?? 'absent'} after ${digest} was pushed`,
    {
      hint: 'Something else pushes to the same tag, or the registry rewrites manifests. Give the factory a prefix of its own.',
    },
  );
}
