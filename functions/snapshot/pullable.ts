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

const lookupsInFlight = 16;
/** How many missing pieces a message names. */
const shownPieces = 20;

/**
 * For so many milliseconds from the start of a run, what it copied is not looked up again: the registry took each blob
 * and each manifest, and confirmed the digest of the root. Later than that, somebody may have cleaned up.
 */
const trustedMs = 10 * 60_000;

interface Piece {
  /** An image that needs it. */
  target: string;
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
  /** Each once, however many images share it. */
  const pieces = new Map<string, Piece>();
  await inParallel([...targetsOf(plan, changes)], lookupsInFlight, signal, async ([target, expected], lookup) => {
    const found = await look(target, expected, runtime, lookup);
    if (typeof found === 'string') missing.push(found);
    else for (const piece of found) pieces.set(`${piece.repository.name} ${piece.digest}`, piece);
  });
  await inParallel([...pieces.values()], lookupsInFlight, signal, async (piece, lookup) => {
    if (!(await isThere(piece, lookup))) missing.push(`${piece.target} lacks ${piece.kind} ${piece.digest}`);
  });
  if (missing.length > 0) throw incomplete(missing.toSorted(), plan);
}

/** What is about to be written that is at our registry, and the digest that it must have, where one was planned. */
function targetsOf(
  { images, registry, startedAt }: Plan,
  changes: readonly FieldChange[],
): Map<string, Digest | undefined> {
  const trusted = Date.now() < Date.parse(startedAt) + trustedMs;
  const planned = new Map(images.map((image) => [image.image, image]));
  const targets = new Map<string, Digest | undefined>();
  for (const { to, image = '' } of changes) {
    if (to === null || !isOurs(to, registry)) continue;
    const { status, present, digest } = planned.get(image) ?? {};
    // What a template of the customer's pushed had no digest when it was planned.
    const copied = status === 'copy' && !present && digest !== undefined;
    if (!(copied && trusted)) targets.set(to, digest);
  }
  return targets;
}

/** What an image consists of below its root, or what is wrong with it. */
async function look(
  target: string,
  expected: Digest | undefined,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<Piece[] | string> {
  const reference = parseImageName(target) as Reference;
  const repository = repositoryOf(reference, runtime);
  try {
    const root = await resolveTag(repository, tagOrDigest(reference), signal);
    if (root === undefined) return `${target} is not there`;
    if (expected !== undefined && root !== expected) return `${target} is ${root}, not ${expected}`;
    const manifest = await runtime.manifests.through(root, () => getManifest(repository, root, signal));
    const { manifests, blobs } = await readImage(manifest, repository, runtime, signal);
    const piece = (kind: Piece['kind'], digest: Digest): Piece => ({ target, repository, kind, digest });
    return [
      ...manifests.flatMap(({ digest }) => (digest === root ? [] : piece('manifest', digest))),
      // Windows base layers may be left at the addresses in their descriptors: their absence is no fault.
      ...blobs
        .filter(({ mediaType, urls }) => !(isNondistributable(mediaType) && urls?.length))
        .map(({ digest }) => piece('blob', digest)),
    ];
  } catch (error) {
    if (!isAbsence(error)) throw error;
    return `${target}: ${error.message}`;
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
