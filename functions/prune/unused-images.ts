import { harnessModules, infrastructureTypes } from '../harness/scope.ts';
import { isSameScope } from '../plan/changes.ts';
import type { ScopeConfiguration } from '../plan/selection.ts';
import type { Plan, Snapshot, UnusedImage } from '../run/documents.ts';
import { readInventory } from '../run/inventory.ts';
import { RunDocuments } from '../run/run-documents.ts';
import type { Runtime } from '../runtime.ts';
import { isInside, parseImageName } from '../oci/reference.ts';

/**
 * The copies made by the factory, at the plan's registry, that nothing uses: no planned image, no override of any module
 * and infrastructure type, and neither the snapshots nor the changes of the last `keepVersions` runs that wrote.
 * A digest that something in use shares is in use.
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
  const usedDigests = new Set(
    Object.entries(inventory).flatMap(([reference, digest]) => (used.has(reference) ? [digest] : [])),
  );
  return Object.entries(inventory)
    .filter(([reference, digest]) => !used.has(reference) && !usedDigests.has(digest))
    .filter(([reference]) => isInside(parseImageName(reference), plan.registry))
    .map(([reference, digest]) => ({ reference, digest }));
}

/** Overrides of all scopes, not only of those this run is about: another module may use the same copy. */
async function overridesInUse(
  scopes: readonly ScopeConfiguration[],
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<string[]> {
  const harness = await runtime.harness();
  const values: string[] = [];
  for (const module of harnessModules) {
    for (const infrastructureType of module === 'ci' ? infrastructureTypes : (['K8'] as const)) {
      const scope = { module, infrastructureType };
      const known = scopes.find((candidate) => isSameScope(candidate, scope))?.overrides;
      values.push(...Object.values(known ?? (await harness.overrides(scope, signal))));
    }
  }
  return values;
}

/** What the last runs that wrote found, and what they wrote: the versions one can go back to. */
async function recentValues(keepVersions: number, runtime: Runtime): Promise<string[]> {
  const keys = await runtime.store.list('runs/');
  const runs = keys.flatMap((key) => /^runs\/([^/]+)\/snapshot\.json$/.exec(key)?.[1] ?? []);
  const snapshots = await Promise.all(
    runs.map(async (runId) => {
      const documents = new RunDocuments(runtime.store, runId);
      return { documents, snapshot: await documents.snapshot.get() };
    }),
  );
  const recent = snapshots.toSorted((a, b) => takenAt(b.snapshot) - takenAt(a.snapshot)).slice(0, keepVersions);
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
