import { inParallel } from '../async/in-parallel.ts';
import { receiptSchema } from '../bundle/receipt.ts';
import { describePieces } from '../images/pieces.ts';
import { isPresent, placeOf, readImage } from '../images/images.ts';
import { Wholeness } from '../images/wholeness.ts';
import type { Digest } from '../oci/spec/digest.ts';
import { formatReference, type Reference, tagOrDigest } from '../oci/spec/reference.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import type { Plan, PlannedImage } from '../state/documents.ts';
import { noteReceived } from '../state/received.ts';

const imagesInFlight = 16; // Survives mutation: the number of parallel requests decides the speed alone.

/**
 * Checks that the registry has every image of the bundle, by its tag with the digest of the bundle, and all manifests
 * and blobs below it, which the plan has done for those that were there. Returns what it lacks. Stores the receipt when it lacks nothing.
 */
export async function checkImported(plan: Plan, run: TaskRun): Promise<string[]> {
  const { runtime, signal } = run;
  const { id: bundle = '' } = plan.bundle ?? {};
  const documents = runtime.run(plan.runId);
  const wholeness = new Wholeness(runtime);
  const differences: string[] = [];
  const received = new Map<string, { reference: Reference; digests: Set<Digest> }>();
  await inParallel([...plan.images.entries()], imagesInFlight, signal, async ([index, planned], lookup) => {
    const { digest } = planned;
    const target = placeOf(planned);
    // The gate has decided what a failed image means.
    if (digest === undefined || (await hasFailed(planned, index))) return;
    const name = formatReference(target);
    const repository = runtime.repository(target);
    const [served, missing] = await Promise.all([
      repository.digestOf(tagOrDigest(target), { signal: lookup }),
      // The plan looked below the images that were there.
      isPresent(planned) ? [] : wholeness.missing({ repository, digest }, { signal: lookup }),
    ]);
    if (served !== digest) differences.push(`${name} is ${served ?? 'absent'} at the registry, not ${digest}`);
    if (missing.length > 0) differences.push(`${name} lacks ${describePieces(missing)}`);
    if (served !== digest || missing.length > 0) return;
    const root = await runtime.manifests.through(digest, () => repository.manifest(digest, lookup));
    const { manifests, blobs } = await readImage(root, repository, { runtime, signal: lookup });
    const place = `${target.registry}/${target.repository}`;
    const known = received.get(place) ?? { reference: target, digests: new Set() };
    for (const piece of [...manifests, ...blobs]) known.digests.add(piece.digest);
    received.set(place, known);
  });
  if (differences.length > 0) return differences.toSorted();
  const rows = [...received.values()].map(({ reference: { registry, repository }, digests }) => ({
    registry,
    repository,
    digests: [...digests].toSorted(),
  }));
  await noteReceived(runtime.store, rows);
  const repositories = rows
    .map(({ repository, digests }) => ({ repository, digests }))
    .toSorted((a, b) => (a.repository < b.repository ? -1 : 1));
  await documents.receipt.put({ schema: receiptSchema, bundle, createdAt: new Date().toISOString(), repositories });
  return [];

  async function hasFailed({ status }: PlannedImage, index: number): Promise<boolean> {
    if (status !== 'copy') return status === 'failed';
    return (await documents.copyResult(index).find())?.status === 'failed';
  }
}
