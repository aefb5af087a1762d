import { FactoryError } from '../errors.ts';
import type { Digest } from '../oci/spec/digest.ts';
import { inParallel } from '../async/in-parallel.ts';
import { resolveTag } from '../oci/registry/manifests.ts';
import { formatReference, parseReference, tagOrDigest } from '../oci/spec/reference.ts';
import type { FieldChange, Plan } from '../state/documents.ts';
import { type Look, noteLooks } from '../state/looks.ts';
import { isOurs, relativeCopy } from '../overrides/override.ts';
import { Wholeness } from '../images/wholeness.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { TaskRun } from '../runtime/task-run.ts';

const imagesAtOnce = 16; // Survives mutation: the number of parallel requests decides the speed alone.
/** Maximum number of missing pieces in a message. */
const shownPieces = 20;

/**
 * Time after the start of a run in which its own copies need no second check of their blobs, in milliseconds: the
 * registry has just confirmed them, and the manifests that name them. Later, a cleanup may have removed them.
 */
const confirmedMs = 60_000;

interface Target {
  name: string;
  digest: Digest | undefined;
  /** The registry confirmed its blobs a moment ago. */
  confirmed: boolean;
}

/**
 * Checks that the registry has everything that the run will point Harness at: each image by its tag with the planned
 * digest, and all manifests and blobs below it. Runs before the first write.
 *
 * @throws {FactoryError} `ImagesIncomplete`, which names the missing pieces. The next sync looks for them and copies
 * them again.
 */
export async function checkPullable(
  plan: Plan,
  changes: readonly FieldChange[],
  { runtime, signal }: TaskRun,
): Promise<void> {
  const missing: string[] = [];
  const incomplete: Look[] = [];
  const wholeness = new Wholeness(runtime);
  const built = await builtDigests(plan, runtime);
  await inParallel(targetsOf(plan, changes, built), imagesAtOnce, signal, async (target, lookup) => {
    const faults = await faultsOf(target, wholeness, { runtime, signal: lookup });
    if (faults.length === 0) return;
    missing.push(...faults);
    const { name: reference, digest } = target;
    if (digest !== undefined) incomplete.push({ reference, digest, whole: false });
  });
  if (missing.length === 0) return;
  await noteLooks(runtime.store, incomplete, new Date());
  throw incompleteImages(missing.toSorted(), plan);
}

/**
 * Returns the digests of images that the customer's template built and whose tag moves after the scan, by their names.
 * The tag may still have the earlier image.
 */
async function builtDigests({ runId, images }: Plan, runtime: Runtime): Promise<Map<string, Digest | undefined>> {
  const found = images.map(async (planned, index): Promise<[string, Digest | undefined][]> => {
    if (planned.status !== 'copy' || !planned.afterScan || planned.digest !== undefined) return [];
    return [[planned.image, (await runtime.run(runId).copyResult(index).find())?.digest]];
  });
  return new Map((await Promise.all(found)).flat());
}

/**
 * Returns the images at our registry that the run will write, and with a change of the connector all that pods then
 * pull.
 */
function targetsOf(
  { images, registry, startedAt, connector, pulls = [] }: Plan,
  changes: readonly FieldChange[],
  built: ReadonlyMap<string, Digest | undefined>,
): Target[] {
  const isFresh = Date.now() < Date.parse(startedAt) + confirmedMs;
  const planned = new Map(images.flatMap((image) => (image.held ? [] : [[image.image, image]])));
  const targets = new Map<string, Target>();
  for (const { to, image = '' } of changes) {
    if (to === null) continue;
    // A value without a registry stands for a copy when an image must be there for it.
    const copy = isOurs(to, registry) ? to : image === '' ? undefined : relativeCopy(to, registry);
    if (copy === undefined) continue;
    const known = planned.get(image);
    // An image from the customer's template had no digest when it was planned.
    const confirmed = isFresh && known?.status === 'copy' && !known.present && known.digest !== undefined;
    targets.set(copy, { name: copy, digest: known?.digest ?? built.get(image), confirmed });
  }
  for (const { reference, status } of connector ? pulls : []) {
    if (status === 'elsewhere' || targets.has(reference)) continue;
    const known = images.find(({ target }) => formatReference(target) === reference);
    targets.set(reference, { name: reference, digest: known?.digest, confirmed: false });
  }
  return [...targets.values()];
}

async function faultsOf(
  { name, digest, confirmed }: Target,
  wholeness: Wholeness,
  { runtime, signal }: TaskRun,
): Promise<string[]> {
  const reference = parseReference(name);
  const repository = runtime.repository(reference);
  const resolved = resolveTag(repository, tagOrDigest(reference), { signal });
  // Where a digest was planned, look below it in the same round trip.
  const root = digest ?? (await resolved);
  const [served, lacking] = await Promise.all([
    resolved,
    root === undefined
      ? []
      : wholeness.missing({ repository, digest: root }, { signal, only: confirmed ? 'manifest' : undefined }),
  ]);
  if (served === undefined) return [`${name} does not exist`];
  if (served !== root) return [`${name} is ${served}, not ${root}`];
  return lacking.map((piece) => `${name} lacks ${piece.kind} ${piece.digest}`);
}

function incompleteImages(missing: readonly string[], { action }: Plan): FactoryError {
  const more = missing.length - shownPieces;
  const shown = missing.slice(0, shownPieces).join('; ') + (more > 0 ? `; and ${more} more` : '');
  return new FactoryError('ImagesIncomplete', `Harness could not pull the images of this switch: ${shown}`, {
    hint:
      action === 'restore'
        ? 'Harness was not changed. Copy the old versions again with sync and "pins", or run reset to use the images of Harness.'
        : `Harness was not changed. Run ${action} again: it copies what is missing.`,
  });
}
