import { isSameScope } from '../harness/scope.ts';
import type { ScopeConfiguration } from '../overrides/scope-configuration.ts';
import type { Plan, UnusedImage } from '../state/documents.ts';
import { imagesNamed, namesOf, plannedImages, protectedDigests } from '../images/images-in-use.ts';
import { overridesInUse } from '../overrides/overrides-in-use.ts';
import { readInventory } from '../state/inventory.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { parseImageName } from '../oci/spec/reference.ts';
import { isOurs } from '../overrides/override.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import { newestFirst, readSnapshots } from './restore.ts';

/**
 * Returns the factory's copies at the plan's registry that nothing uses: no planned image, no override of any module
 * and infrastructure type, and neither the snapshots nor the changes of the last `keepVersions` runs that wrote there. A
 * digest is in use when something in use has it or leads to it. A tag that shares its digest with a tag in use is
 * unused where the registry can delete it alone.
 */
export async function findUnusedImages(
  plan: Omit<Plan, 'unused'>,
  keepVersions: number,
  scopes: readonly ScopeConfiguration[],
  run: TaskRun,
): Promise<UnusedImage[]> {
  const { runtime } = run;
  const inventory = await readInventory(runtime.store);
  const values = [
    ...plan.kept.flatMap(({ value }) => value ?? []),
    ...(await overridesInUse(scopes, run)),
    ...(await recentValues(keepVersions, runtime)),
    // Through a connector for the registry, fields without an override use copies too.
    ...(plan.pulls ?? []).flatMap(({ reference, status }) => (status === 'present' ? reference : [])),
  ];
  const used = [...(await plannedImages(plan, keepVersions, runtime)), ...imagesNamed(values, plan.registry)];
  const names = new Set(used.flatMap(namesOf));
  const candidates = Object.entries(inventory)
    .filter(([reference]) => !names.has(reference) && isOurs(reference, plan.registry))
    .map(([reference, digest]) => ({ reference, digest }));
  if (candidates.length === 0) return [];
  const inUse = await protectedDigests(candidates, used, inventory, run);
  const { deletesTags } = runtime.registry(plan.registry.registry).profile;
  return candidates.filter(({ reference, digest }) => {
    const { repository, tag } = parseImageName(reference);
    const digests = inUse.get(repository);
    if (!digests?.all.has(digest)) return true;
    return deletesTags && tag !== undefined && digests.tagged.has(digest);
  });
}

/**
 * Returns the values that the last runs found and wrote: the versions that a restore can bring back. A snapshot holds
 * only the scopes that its run changed, so each scope has last runs of its own. Includes every account that shares this
 * state, because the key can read only one of them.
 */
async function recentValues(keepVersions: number, runtime: Runtime): Promise<string[]> {
  const found = (await readSnapshots(runtime)).flatMap(({ scopes, ...run }) =>
    scopes.map((scope) => ({ ...run, ...scope })),
  );
  const byScope = Map.groupBy(found, (each) => `${each.accountId} ${each.module} ${each.infrastructureType}`);
  const recent = [...byScope.values()].flatMap((of) => newestFirst(of).slice(0, keepVersions));
  const values = await Promise.all(
    recent.map(async ({ runId, overrides, ...scope }) => {
      const { changes = [] } = (await runtime.run(runId).changes.find()) ?? {};
      const written = changes.filter((change) => isSameScope(change, scope)).flatMap(({ to }) => to ?? []);
      return [...Object.values(overrides), ...written];
    }),
  );
  return values.flat();
}
