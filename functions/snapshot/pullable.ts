import { FactoryError } from '../errors.ts';
import { hasBlob, openBlob } from '../oci/blobs.ts';
import type { Digest } from '../oci/digest.ts';
import { inParallel } from '../oci/in-parallel.ts';
import { getManifest, type Repository, resolveTag } from '../oci/manifests.ts';
import { isNondistributable } from '../oci/media-type.ts';
import { parseImageName, type Reference, tagOrDigest } from '../oci/reference.ts';
import { RegistryFailure } from '../oci/registry-failure.ts';
import type { FieldChange, Plan } from '../run/documents.ts';
import { readImage, repositoryOf } from '../run/images.ts';
import { isOurs } from '../run/override.ts';
import type { Runtime } from '../runtime.ts';

const imagesAtOnce = 16;
/** How many missing pieces a message names. */
const shownPieces = 20;

/**
 * The blobs that a run copied are not asked for again in the first minute, in milliseconds, after it began: the registry
 * confirmed each of them, and then the manifests that name them. Later than that, somebody may have cleaned up.
 */
const confirmedMs = 60_000;

interface Target {
  name: string;
  /** Where one was planned. */
  digest: Digest | undefined;
  /** Its blobs are there by the registry's own word of a moment ago. */
  confirmed: boolean;
}

interface Piece {
  repository: Repository;
  kind: 'manifest' | 'blob';
  digest: Digest;
}

/**
 * Looks at the registry for all that Harness is about to be pointed at: every image under its tag and with the planned
 * digest, and the manifests and blobs below it. Throws `ImagesIncomplete`, which names what is missing; it is for before
 * the first write.
 */
export async function checkPullable(
  plan: Plan,
  changes: readonly FieldChange[],
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<void> {
  const missing: string[] = [];
  /** Each piece is asked for once, however many images share it. */
  const asked = new Set<string>();
  await inParallel(targetsOf(plan, changes), imagesAtOnce, signal, async (target, lookup) => {
    missing.push(...(await faultsOf(target, runtime, asked, lookup)));
  });
  if (missing.length > 0) throw incomplete(missing.toSorted(), plan);
}

/** What is about to be written that is at our registry. */
function targetsOf({ images, registry, startedAt }: Plan, changes: readonly FieldChange[]): Target[] {
  const isFresh = Date.now() < Date.parse(startedAt) + confirmedMs;
  const planned = new Map(images.map((image) => [image.image, image]));
  const targets = new Map<string, Target>();
  for (const { to, image = '' } of changes) {
    if (to === null || !isOurs(to, registry)) continue;
    const { status, present, digest } = planned.get(image) ?? {};
    // What a template of the customer's pushed had no digest when it was planned.
    const confirmed = isFresh && status === 'copy' && !present && digest !== undefined;
    targets.set(to, { name: to, digest, confirmed });
  }
  return [...targets.values()];
}

/** What is wrong with an image. */
async function faultsOf(target: Target, runtime: Runtime, asked: Set<string>, signal: AbortSignal): Promise<string[]> {
  const { name, digest } = target;
  const reference = parseImageName(name) as Reference;
  const repository = repositoryOf(reference, runtime);
  const resolved = resolveTag(repository, tagOrDigest(reference), signal);
  // Where a digest was planned, what is below it is asked for in the same round trip.
  const root = digest ?? (await resolved);
  const [served, below] = await Promise.all([
    resolved,
    root === undefined ? [] : faultsBelow(target, { repository, root }, runtime, asked, signal),
  ]);
  if (served === undefined) return [`${name} is not there`];
  return served === root ? below : [`${name} is ${served}, not ${root}`];
}

/** What is missing of the manifests and blobs that a root leads to. */
async function faultsBelow(
  { name, confirmed }: Target,
  { repository, root }: { repository: Repository; root: Digest },
  runtime: Runtime,
  asked: Set<string>,
  signal: AbortSignal,
): Promise<string[]> {
  const piece = (kind: Piece['kind'], digest: Digest): Piece => ({ repository, kind, digest });
  try {
    const manifest = await runtime.manifests.through(root, () => getManifest(repository, root, signal));
    const { manifests, blobs } = await readImage(manifest, repository, runtime, signal);
    const pieces = [
      ...manifests.flatMap(({ digest }) => (digest === root ? [] : piece('manifest', digest))),
      // Windows base layers may be left at the addresses in their descriptors: their absence is no fault.
      ...blobs
        .filter(({ mediaType, urls }) => !confirmed && !(isNondistributable(mediaType) && urls?.length))
        .map(({ digest }) => piece('blob', digest)),
    ];
    const faults = await Promise.all(
      pieces.map(async (each) => {
        const { kind, digest } = each;
        const key = `${repository.name} ${digest}`;
        if (asked.has(key)) return [];
        asked.add(key);
        return (await isThere(each, signal)) ? [] : `${name} lacks ${kind} ${digest}`;
      }),
    );
    return faults.flat();
  } catch (error) {
    if (!isAbsence(error)) throw error;
    return [`${name}: ${error.message}`];
  }
}

async function isThere({ repository, kind, digest }: Piece, signal: AbortSignal): Promise<boolean> {
  if (kind === 'manifest') return (await resolveTag(repository, digest, signal)) === digest;
  return (await hasBlob(repository, digest, signal)) || opens(repository, digest, signal);
}

/** Where HEAD does not tell (ECR Public refuses it, others may answer 403), the beginning of a download does. */
async function opens(repository: Repository, digest: Digest, signal: AbortSignal): Promise<boolean> {
  try {
    const { body } = await openBlob(repository, digest, 0, signal);
    await body.dump();
    return true;
  } catch (error) {
    if (isAbsence(error)) return false;
    throw error;
  }
}

/** Artifactory answers 403 for what it has not (RTFACT-13797); and what nobody may pull is as good as absent. */
function isAbsence(error: unknown): error is RegistryFailure {
  return error instanceof RegistryFailure && (error.status === 404 || error.status === 403);
}

function incomplete(missing: readonly string[], { action }: Plan): FactoryError {
  const more = missing.length - shownPieces;
  const shown = missing.slice(0, shownPieces).join('; ') + (more > 0 ? `; and ${more} more` : '');
  return new FactoryError('ImagesIncomplete', `Harness could not pull what it was to be switched to: ${shown}`, {
    hint:
      action === 'restore'
        ? 'Harness was left as it was. Bring the old versions back with sync and "pins", or reset to use the images of Harness.'
        : 'Harness was left as it was. Delete the tags of these images at the registry and run sync: it copies them again.',
  });
}
