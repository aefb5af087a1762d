import { FactoryError } from '../errors.ts';
import type { Digest } from '../oci/spec/digest.ts';
import { digestsBelow } from '../oci/spec/manifest-graph.ts';
import { deleteManifest, deleteTag, putManifest, resolveTag } from '../oci/registry/manifests.ts';
import type { Repository } from '../oci/registry/repository.ts';
import { parseImageName } from '../oci/spec/reference.ts';
import { readTags } from '../oci/registry/tags.ts';
import { imagesNamed, manifestOf, namesOf, plannedImages, protectedDigests } from '../images/images-in-use.ts';
import { changeInventory, readInventory } from '../state/inventory.ts';
import type { UnusedImage } from '../state/documents.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import { overridesInUse } from '../overrides/overrides-in-use.ts';
import { type Deletion, repositoryDeletions } from './repository-deletions.ts';

type Outcome = Pick<UnusedImage, 'status' | 'reason'>;

/** Deletes the copies that the plan found unused, after the switch of Harness is verified. */
export async function prune({ runId }: { runId: string }, run: TaskRun): Promise<{ deleted: number }> {
  const { runtime } = run;
  const documents = runtime.run(runId);
  const plan = await runtime.plan(runId);
  if (plan.unused.length === 0) return { deleted: 0 };
  // Check again: the plan may be hours old, and other accounts may use the same copies.
  const overrides = await overridesInUse([], run);
  const used = [...(await plannedImages(plan, 1, runtime)), ...imagesNamed(overrides, plan.registry)];
  const names = new Set(used.flatMap(namesOf));
  const unused = plan.unused.filter(({ reference }) => !names.has(reference));
  const inUse = await protectedDigests(unused, used, await readInventory(runtime.store), run);
  const rows: UnusedImage[] = [];
  const byRepository = Map.groupBy(unused, ({ reference }) => parseImageName(reference).repository);
  for (const [name, copies] of byRepository) {
    await runtime.lock.hold(runId);
    const repository = runtime.repository({ registry: plan.registry.registry, repository: name });
    const place = { ...run, repository };
    for (const { copy, deletion } of await decide(copies, inUse.get(name)?.all ?? new Set(), place)) {
      const outcome = await carryOut(copy.digest, deletion, place);
      rows.push({ ...copy, ...outcome });
      await documents.pruned.put(rows);
      if (outcome.status !== 'kept' || (deletion.delete === 'nothing' && deletion.isGone))
        await changeInventory(runtime.store, (inventory) => delete inventory[copy.reference]);
    }
  }
  return { deleted: rows.filter(({ status }) => status !== 'kept').length };
}

interface Place extends TaskRun {
  repository: Repository;
}

interface Decision {
  copy: UnusedImage;
  deletion: Deletion;
}

/**
 * Decides which copies of one repository to delete. Deletes nothing of a repository while it is unknown what its tags
 * lead to. Indexes come before their children, because ECR keeps what an index refers to.
 */
async function decide(unused: readonly UnusedImage[], inUse: ReadonlySet<Digest>, place: Place): Promise<Decision[]> {
  const { repository, runtime, signal } = place;
  const read = (digest: Digest, each: AbortSignal) => manifestOf(digest, [repository], { runtime, signal: each });
  const below = (roots: Iterable<Digest>) => digestsBelow(roots, read, signal);
  try {
    const copies = unused.map((copy) => ({ copy, tag: parseImageName(copy.reference).tag, digest: copy.digest }));
    const tags = await tagsOf(
      copies.flatMap(({ tag }) => tag ?? []),
      place,
    );
    const deletions = await repositoryDeletions(copies, { tags, inUse, below });
    const decisions = await Promise.all(
      deletions.map(async ([{ copy, digest }, deletion]) => ({ copy, deletion, size: (await below([digest])).size })),
    );
    return decisions.toSorted((a, b) => b.size - a.size);
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof FactoryError) || error.name === 'StoreFailed') throw error;
    const reason = `the other tags of ${repository.name} cannot be read: ${error.message}`;
    return unused.map((copy) => ({ copy, deletion: { delete: 'nothing', reason, isGone: false } }));
  }
}

/** Reads every tag of a repository. Throws `RegistryFailed` if one of `expected` exists and is not listed. */
async function tagsOf(
  expected: readonly string[],
  { repository, runtime, signal }: Place,
): Promise<ReadonlyMap<string, Digest>> {
  const { registry, name } = repository;
  const tags = (await runtime.repositories.tags?.(registry.name, name)) ?? (await readTags(repository, signal));
  for (const tag of expected.filter((candidate) => !tags.has(candidate))) {
    if ((await resolveTag(repository, tag, { signal })) === undefined) continue;
    throw new FactoryError('RegistryFailed', `${registry.name} omits the tag ${tag} from its list of tags`, {
      hint: 'Allow the factory to list all tags of the repository.',
    });
  }
  return tags;
}

async function carryOut(digest: Digest, deletion: Deletion, place: Place): Promise<Outcome> {
  const { repository, runtime, signal } = place;
  const { registry, name } = repository;
  if (deletion.delete === 'nothing') return { status: 'kept', reason: deletion.reason };
  const reference = deletion.delete === 'digest' ? digest : deletion.tag;
  const refused = await runtime.repositories.deleteImages(registry.name, name, [reference]);
  if (refused) {
    const reason = refused.get(reference);
    if (reason !== undefined) return { status: 'kept', reason };
    return { status: deletion.delete === 'digest' ? 'deleted' : 'untagged' };
  }
  if (deletion.delete === 'tag') return untag(digest, deletion, place);
  if (registry.profile.tagsFirst) for (const tag of deletion.tags) await deleteTag(repository, tag, signal);
  await deleteManifest(repository, digest, signal);
  return { status: 'deleted' };
}

/** Deletes a tag alone, and checks that the registry did so: some delete the manifest with it. */
async function untag(
  digest: Digest,
  { tag, others }: Extract<Deletion, { delete: 'tag' }>,
  { repository, runtime, signal }: Place,
): Promise<Outcome> {
  const { registry } = repository;
  const shared = `the tag ${others[0]} has the same digest, and ${registry.name} does not delete tags alone`;
  const manifest = await manifestOf(digest, [repository], { runtime, signal });
  if (!manifest || !(await deleteTag(repository, tag, signal))) return { status: 'kept', reason: shared };
  if ((await resolveTag(repository, tag, { signal })) === digest) return { status: 'kept', reason: shared };
  const lost = [];
  for (const other of others) if ((await resolveTag(repository, other, { signal })) !== digest) lost.push(other);
  if (lost.length === 0) return { status: 'untagged' };
  // Restore the lost tags. The manifest's blobs and children still exist: nothing else was deleted.
  for (const other of lost) await putManifest(repository, other, manifest, signal);
  registry.adapt({ deletesTags: false }, `${registry.name} deletes a manifest with one of its tags`);
  return { status: 'untagged', reason: `${registry.name} also deleted ${lost.join(', ')}; restored` };
}
