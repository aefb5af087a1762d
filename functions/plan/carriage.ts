import { readScope } from '../overrides/scope-configuration.ts';
import { formatPlatform } from '../oci/spec/platform.ts';
import type { Bundle } from '../bundle/open-bundle.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import { noBundle } from '../settings/bundle-address.ts';
import type { RunSettings } from '../settings/run-settings.ts';
import { needsSchema } from '../settings/needs.ts';
import type { NeededImage, Plan } from '../state/documents.ts';
import { decideNeeds } from './decide-import.ts';
import { planExport } from './plan-export.ts';
import type { PlanHead } from './plan-result.ts';
import { scopesOf } from './scopes.ts';
import { planNoCopies, type PlanResult } from './plan-result.ts';

/**
 * Plans a run that neither copies to a registry nor changes Harness: an export, a check of a bundle, and a list of what
 * Harness needs. Returns `undefined` for any other run.
 */
export async function planCarriage(
  head: PlanHead,
  settings: RunSettings,
  run: TaskRun,
): Promise<PlanResult | undefined> {
  if (!('bundle' in settings) || settings.bundle === undefined) return undefined;
  const { action, bundle: address } = settings;
  const carrying = { ...head, bundle: { address } };
  if (!run.runtime.parts.bundles && address !== noBundle) throw new TypeError('nothing here can open or write bundles');
  if (action === 'export') return planExport(carrying, settings, run);
  if (action === 'plan' && address === noBundle) return planNeeds(carrying, settings, run);
  if (action === 'verify') return planNoCopies({ ...carrying, ...nothing, warnings: [] }, 'verify-bundle', run.runtime);
  return undefined;
}

/** Opens the bundle of an import, or of the plan of one. Throws `BundleInvalid`. */
export async function bundleToImport(
  settings: RunSettings,
  { runtime, signal }: TaskRun,
): Promise<{ bundle: Bundle; facts: Pick<Plan, 'referrers' | 'bundle'> } | undefined> {
  if (settings.action !== 'import' && settings.action !== 'plan') return undefined;
  const { bundle: address } = settings;
  if (address === undefined) return undefined;
  const bundle = await runtime.bundle(address, signal);
  const { id, totals, policy } = bundle.document;
  return { bundle, facts: { referrers: policy.referrers, bundle: { address, id, bytes: totals.bytes } } };
}

/** Lists the images that Harness needs. Looks at no registry: those of the images cannot be reached from here. */
async function planNeeds(head: PlanHead, settings: RunSettings, run: TaskRun): Promise<PlanResult> {
  const scopes = await Promise.all(scopesOf(settings).map((scope) => readScope(scope, run)));
  const { needed = [], warnings } = decideNeeds(settings, scopes);
  await putNeeds(head.runId, needed, settings, run);
  return planNoCopies({ ...head, ...nothing, warnings, needed }, 'report', run.runtime);
}

const nothing = { images: [], changes: [], kept: [], unused: [] };

/** Stores `needs.json` of a run. */
export async function putNeeds(
  runId: string,
  needed: readonly NeededImage[],
  { platforms }: Pick<RunSettings, 'platforms'>,
  { runtime }: TaskRun,
): Promise<void> {
  await runtime.run(runId).needs.put({
    schema: needsSchema,
    images: needed.map(({ image, fields }) => ({ image, ...(fields.length > 0 && { roles: fields }) })),
    ...(platforms.length > 0 && { platforms: platforms.map(formatPlatform) }),
  });
}
