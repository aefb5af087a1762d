import { FactoryError } from '../errors.ts';
import { isSameScope } from '../harness/scope.ts';
import { lagOf } from '../overrides/lag.ts';
import type { FieldDefault } from '../state/documents.ts';
import { own } from '../text/own.ts';
import type { Changes } from './changes.ts';
import type { ScopeConfiguration } from '../overrides/scope-configuration.ts';
import type { TaskRun } from '../runtime/task-run.ts';

/** The fields that Harness checks, on Kubernetes. */
const checkedFields = new Set(['addonTag', 'liteEngineTag']);

/**
 * Returns Harness's default of every field that is behind it before or after the run. When a pinned, soaking or held
 * field stays behind, asks Harness for the images that its own checks name.
 */
export async function findDefaultsAhead(
  { changes, kept }: Changes,
  scopes: readonly ScopeConfiguration[],
  run: TaskRun,
): Promise<FieldDefault[]> {
  const rows = [
    ...changes.map(({ from, to, ...row }) => ({ ...row, before: from, after: to })),
    ...kept.map(({ value, ...row }) => ({ ...row, before: value, after: value })),
  ];
  const ahead: FieldDefault[] = [];
  let stays = false;
  for (const { before, after, field, module, infrastructureType } of rows) {
    const row = { module, infrastructureType };
    const official = own(scopes.find((scope) => isSameScope(scope, row))?.defaults ?? {}, field);
    if (official === undefined) continue;
    const isBehind = lagOf(after, official) !== undefined;
    if (!isBehind && lagOf(before, official) === undefined) continue;
    ahead.push({ ...row, field, official });
    stays ||= isBehind && module === 'ci' && checkedFields.has(field);
  }
  return stays ? withChecks(ahead, run) : ahead;
}

/** Adds the results of Harness's checks. Older versions of Harness fail on them: then there are none. */
async function withChecks(ahead: readonly FieldDefault[], { runtime, signal }: TaskRun): Promise<FieldDefault[]> {
  const harness = await runtime.harness();
  const orNone = async (check: Promise<Record<string, string>>) => {
    try {
      return await check;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof FactoryError)) throw error;
      return {};
    }
  };
  const [outdated, deprecated] = await Promise.all([
    orNone(harness.outdatedVersions(signal)),
    orNone(harness.deprecatedImages(signal)),
  ]);
  return ahead.map((row) => {
    if (row.module !== 'ci') return row;
    const [version, image] = [own(outdated, row.field), own(deprecated, row.field)];
    return {
      ...row,
      ...(version !== undefined && { outdated: version }),
      ...(image !== undefined && { deprecated: image }),
    };
  });
}
