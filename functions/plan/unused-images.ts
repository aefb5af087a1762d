import type { ScopeConfiguration } from './selection.ts';
import type { Plan, Snapshot, UnusedImage } from '../run/documents.ts';
import { overridesInUse } from '../run/overrides-in-use.ts';
import { type Inventory, readInventory } from '../run/inventory.ts';
import { RunDocuments, runsAmong } from '../run/run-documents.ts';
import type { Runtime } from '../runtime.ts';
import { FactoryError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import { inParallel } from '../oci/in-parallel.ts';
import { getManifest, resolveTag } from '../oci/manifests.ts';
import { parseImageName, type Reference, type RegistryLocation, tagOrDigest } from '../oci/reference.ts';
import { repositoryOf } from '../run/images.ts';
import { isOurs } from '../run/override.ts';

const lookupsInFlight = 16;

/**
 * The copies made by the factory, at the plan's registry, that nothing uses: no planned image, no override of any module
 * and infrastructure type, and neither the snapshots nor the changes of the last `keepVersions` runs that wrote.
 * A digest that something in use shares, or leads to, is in use.
 */
export async function findUnusedImages(
  plan: Omit<Plan, 'unused'>,
  keepVersions: number,
  scopes: readonly ScopeConfiguration[],
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<UnusedImage[]> {
  const inventory = await readInventory(runtime.store);
  const used = new Set<string>([
    ...plan.images.map(({ target }) => target),
    ...plan.kept.flatMap(({ value }) => value ?? []),
    ...(await overridesInUse(scopes, runtime, signal)),
    ...(await recentValues(keepVersions, runtime)),
  ]);
  const candidates = Object.entries(inventory)
    .filter(([reference]) => !used.has(reference) && isOurs(reference, plan.registry))
    .map(([reference, digest]) => ({ reference, digest }));
  if (candidates.length === 0) return [];
  const protectedDigests = await digestsInUse(used, inventory, plan.registry, runtime, signal);
  return candidates.filter(({ digest }) => !protectedDigests.has(digest));
}

/** What the used references at our registry lead to: their digests, and those of the images of an index. */
async function digestsInUse(
  used: ReadonlySet<string>,
  inventory: Inventory,
  registry: RegistryLocation,
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<Set<Digest>> {
  const digests = new Set<Digest>();
  await inParallel([...used], lookupsInFlight, signal, async (value, lookup) => {
    if (!isOurs(value, registry)) return;
    const reference = parseImageName(value) as Reference;
    const repository = repositoryOf(reference, runtime);
    // The user may have tagged one of our copies anew.
    const digest = inventory[value] ?? (await resolveTag(repository, tagOrDigest(reference), lookup));
    if (digest === undefined) return;
    digests.add(digest);
    try {
      const root = await runtime.manifests.through(digest, () => getManifest(repository, digest, lookup));
      for (const child of root.manifests) digests.add(child.digest);
    } catch (error) {
      // Not copied yet, or gone: nothing leads on from there.
      if (!(error instanceof FactoryError) || error.name !== 'ImageNotFound') throw error;
    }
  });
  return digests;
}

/**
 * What the last runs that wrote found, and what they wrote: the versions one can go back to. Of each account that shares
 * this state, because only one of them can be asked what it uses.
 */
async function recentValues(keepVersions: number, runtime: Runtime): Promise<string[]> {
  const runs = runsAmong(await runtime.store.list('runs/'), ['snapshot.json']);
  const snapshots = await Promise.all(
    runs.map(async (runId) => {
      const documents = new RunDocuments(runtime.store, runId);
      return { documents, snapshot: await documents.snapshot.get() };
    }),
  );
  const byAccount = Map.groupBy(snapshots, ({ snapshot }) => snapshot.accountId);
  const recent = [...byAccount.values()].flatMap((of) =>
    of.toSorted((a, b) => takenAt(b.snapshot) - takenAt(a.snapshot)).slice(0, keepVersions),
  );
  const values = await Promise.all(
    recent.map(async ({ documents, snapshot }) => {
      const { changes = [] } = (await documents.changes.find()) ?? {};
      return [
        ...snapshot.scopes.flatMap(({ overrides }) => Object.values(overrides)),
        ...changes.flatMap(({ to }) => to ?? []),
      ];
    }),
  );
  return values.flat();
}

function takenAt({ takenAt }: Snapshot): number {
  return Date.parse(takenAt);
}
