import { setTimeout as sleep } from 'node:timers/promises';
import pLimit from 'p-limit';
import { type ErrorName, FactoryError } from '../errors.ts';
import type { ConfigScope } from '../harness/scope.ts';
import { formatReference, isInside, parseImageName, type Reference, tagOrDigest } from '../oci/reference.ts';
import { resolveTag } from '../oci/manifests.ts';
import { isSameScope } from '../plan/changes.ts';
import { repositoryOf } from '../plan/images.ts';
import type { FieldChange, KeptField, Plan } from '../run/documents.ts';
import type { Runtime } from '../runtime.ts';
import type { TaskRun } from '../task.ts';

export interface VerifyResult {
  status: 'agrees';
}

/** Pauses before the overrides are read again, in milliseconds: 30 s in all, because Harness may serve an old copy. */
const pauses = [500, 1_000, 2_000, 4_000, 8_000, 14_500];

/**
 * Compares what Harness has with what was meant, and what Harness will pull with what the registry serves.
 * Throws `VerificationFailed` after a run that wrote, `DriftFound` after one that only looked; both list every difference.
 */
export async function verify({ runId }: { runId: string }, { runtime, signal }: TaskRun): Promise<VerifyResult> {
  const documents = runtime.run(runId);
  const plan = await documents.plan.get();
  const { changes } = await documents.changes.get();
  const written = (await documents.config.find()) !== undefined;
  const differences = written
    ? await waitForAgreement(changes, runtime, signal)
    : plan.action === 'verify' && plan.modifyDefault
      ? changes.map((change) => `${place(change)} is ${change.from ?? 'not overridden'}, not ${change.to ?? 'unset'}`)
      : [];
  differences.push(...(await missingImages(plan, changes, runtime, signal)));
  if (differences.length > 0) throw disagreement(written ? 'VerificationFailed' : 'DriftFound', differences, plan);
  return { status: 'agrees' };
}

/** Reads the overrides back, at once and then with growing pauses, until they are what was written. */
async function waitForAgreement(
  changes: readonly FieldChange[],
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<string[]> {
  for (const pause of [...pauses, undefined]) {
    const differences = await compareOverrides(changes, runtime, signal);
    if (differences.length === 0 || pause === undefined) return differences;
    await sleep(pause, undefined, signal && { signal });
  }
  return [];
}

async function compareOverrides(
  changes: readonly FieldChange[],
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<string[]> {
  const harness = await runtime.harness();
  const scopes: (ConfigScope & { overrides: Record<string, string> })[] = [];
  const differences: string[] = [];
  for (const change of changes) {
    let scope = scopes.find((known) => isSameScope(known, change));
    if (!scope) {
      const { module, infrastructureType } = change;
      scope = {
        module,
        infrastructureType,
        overrides: await harness.overrides({ module, infrastructureType }, signal),
      };
      scopes.push(scope);
    }
    const now = scope.overrides[change.field] ?? null;
    if (now !== change.to)
      differences.push(`${place(change)} is ${now ?? 'not overridden'}, not ${change.to ?? 'unset'}`);
  }
  return differences;
}

/** What the registry lacks, or holds under another digest than the official image's. */
async function missingImages(
  plan: Plan,
  changes: readonly FieldChange[],
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<string[]> {
  if (plan.action === 'verify') {
    const images = plan.images.flatMap(({ status, image, target, digest, error }) => {
      if (status === 'copy') return [`${target} is not at the registry as ${digest}`];
      return status === 'failed' ? [`${image}: ${error?.message ?? 'not found'}`] : [];
    });
    return [...images, ...(await missingTargets(heldTargets(plan), runtime, signal))];
  }
  // Copies that the plan found in place were looked up a moment ago; those made since are looked up now.
  const copied = plan.images.filter(
    ({ status, image }) => status === 'copy' && changes.some((change) => change.image === image),
  );
  const expected = new Map(copied.map(({ target, digest }) => [target, digest as string | undefined]));
  return missingTargets(expected, runtime, signal);
}

/** Overrides at our registry that no planned image stands behind: old versions that soak or that were held back. */
function heldTargets(plan: Plan): Map<string, undefined> {
  const ours = ({ value, image }: KeptField) =>
    image === undefined && value !== null && isInside(parseImageName(value), plan.registry);
  return new Map(
    plan.kept
      .filter((kept) => kept.value !== null && isParsable(kept.value) && ours(kept))
      .map(({ value }) => [value as string, undefined]),
  );
}

function isParsable(value: string): boolean {
  try {
    parseImageName(value);
    return true;
  } catch {
    return false;
  }
}

async function missingTargets(
  expected: ReadonlyMap<string, string | undefined>,
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<string[]> {
  const limit = pLimit(16);
  const found = await Promise.all(
    [...expected].map(([target, digest]) =>
      limit(async () => {
        const reference = parseImageName(target) as Reference;
        const served = await resolveTag(repositoryOf(reference, runtime), tagOrDigest(reference), signal);
        if (served === undefined) return [`${formatReference(reference)} is not at the registry`];
        return digest !== undefined && served !== digest
          ? [`${target} is ${served} at the registry, not ${digest}`]
          : [];
      }),
    ),
  );
  return found.flat();
}

function place({ module, infrastructureType, field }: FieldChange): string {
  return `${module} ${infrastructureType} ${field}`;
}

function disagreement(name: ErrorName, differences: readonly string[], { action }: Plan): FactoryError {
  const shown =
    differences.slice(0, 20).join('; ') + (differences.length > 20 ? `; and ${differences.length - 20} more` : '');
  const hint =
    name === 'DriftFound'
      ? action === 'verify'
        ? 'Run sync to mend it.'
        : 'Something changed while the run was under way. Run sync again.'
      : 'Harness does not show what was written; something else may manage the same fields. See "Reset or update does not stick" in the README.';
  return new FactoryError(name, `${differences.length} difference${differences.length === 1 ? '' : 's'}: ${shown}`, {
    hint,
  });
}
