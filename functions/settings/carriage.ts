import type { Problem } from '../errors.ts';
import { noBundle, stream } from './bundle-address.ts';
import type { Configuration } from './configuration.ts';
import { render } from './problems.ts';

/** The part of an input that says what is carried, and any other keys. */
interface Carriage {
  readonly action?: string | undefined;
  readonly bundle?: string | undefined;
  readonly images?: readonly unknown[] | undefined;
}

/** The keys that do not go with a job, each with the reason. */
type Refusals = Readonly<Record<string, string>>;

const chosenBefore = 'nothing: what a bundle holds was chosen when it was exported';

/** A bundle was resolved, filtered and soaked when it was made, and it is the only source. */
const notWithBundle: Refusals = {
  source_registry: 'nothing: the bundle is the source',
  extra_images: chosenBefore,
  extra_sets: chosenBefore,
  platforms: chosenBefore,
  referrers: chosenBefore,
  soak_days: chosenBefore,
};

/** Without a bundle, the plan reads Harness alone. */
const notWithoutBundle: Refusals = {
  source_registry: 'nothing: nothing is copied',
  soak_days: chosenBefore,
  referrers: 'nothing: referrers of the export chooses them',
};

const changesHarness = 'nothing without HARNESS_API_KEY: the run does not speak to Harness';

const notWithoutHarness: Refusals = { prune: changesHarness, manage_connector: changesHarness };

/** An export writes no registry and no configuration of Harness. */
const notWithExport: Refusals = {
  registry: 'nothing: an export writes to the bundle. source_registry says where images come from',
  manage_connector: 'nothing: an export changes nothing in Harness',
  wait_for_scan: 'nothing: images are scanned where they are imported',
  soak_days: 'nothing: an export takes the versions of today. pins hold others',
};

const fieldsAreNotRead = 'nothing with images: it chooses fields of Harness, and images is the whole list';

/** A list replaces the fields of Harness. */
const notWithImages: Refusals = {
  modules: fieldsAreNotRead,
  infrastructure_type: fieldsAreNotRead,
  include_windows_rootless: fieldsAreNotRead,
  include_sets: fieldsAreNotRead,
  include_fields: fieldsAreNotRead,
  exclude_fields: fieldsAreNotRead,
};

/** Returns the problems of an input about bundles: what lacks, and what does not go together. */
export function impossibleCarriage(
  input: Carriage & Readonly<Record<string, unknown>>,
  configuration: Configuration,
): Problem[] {
  const { action = 'sync', bundle, images } = input;
  const problems: Problem[] = [];
  const refuse = (path: string, found: string, allowed: string) => problems.push({ path: `$.${path}`, found, allowed });
  const refuseAll = (refusals: Refusals) => {
    for (const [key, allowed] of Object.entries(refusals))
      if (asksForSomething(input[key])) refuse(key, render(plain(input[key])), allowed);
  };
  if (action === 'export') {
    if (bundle === undefined) refuse('bundle', 'nothing', 'a path, or s3://BUCKET/KEY: where the bundle is written');
    refuseAll({ ...notWithExport, ...(images && notWithImages) });
    if (images === undefined && !hasHarness(configuration))
      refuse('images', 'nothing', 'a list of images, or set HARNESS_API_KEY: an export learns them from there');
  } else {
    if (images) refuse('images', `${images.length} images`, `nothing with action ${action}: it is for action export`);
  }
  if (action === 'import') {
    if (bundle === undefined) refuse('bundle', 'nothing', 'a path, or s3://BUCKET/KEY: where the bundle is read from');
    if (!hasHarness(configuration)) refuseAll(notWithoutHarness);
    if (configuration.buildPushTemplate !== undefined)
      refuse('action', '"import"', 'another action: BUILD_PUSH_TEMPLATE builds images, and an import copies them');
  }
  if (bundle !== undefined) {
    if (['sync', 'reset', 'restore'].includes(action))
      refuse('bundle', JSON.stringify(bundle), `nothing with action ${action}: it is for export, import, plan, verify`);
    if (bundle === noBundle && action !== 'plan')
      refuse('bundle', JSON.stringify(bundle), 'a path, or s3://BUCKET/KEY: only a plan can do without a bundle');
    if (bundle === stream && action !== 'export')
      refuse('bundle', JSON.stringify(bundle), 'a path, or s3://BUCKET/KEY: a bundle is read more than once');
    const elsewhere = bundle === noBundle ? undefined : outsideBucket(bundle, configuration);
    if (elsewhere !== undefined) refuse('bundle', JSON.stringify(bundle), elsewhere);
    if (action === 'import' || action === 'plan') refuseAll(bundle === noBundle ? notWithoutBundle : notWithBundle);
  }
  return problems;
}

/** Returns what an address of a bundle must be in a deployment, if it is something else. */
function outsideBucket(bundle: string, { bundleBucket }: Configuration): string | undefined {
  if (bundleBucket === undefined) return undefined;
  if (bundleBucket === '') return 'nothing: this deployment has no BUNDLE_BUCKET';
  return bundle.startsWith(`s3://${bundleBucket}/`)
    ? undefined
    : `s3://${bundleBucket}/KEY: the bucket of BUNDLE_BUCKET`;
}

/** Returns whether a value wants more than a default that changes nothing. */
function asksForSomething(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return value !== undefined && value !== false && value !== 0 && value !== 'off';
}

/** Parsed values are shown by what they were, as far as that is text. */
function plain(value: unknown): unknown {
  return Array.isArray(value) ? `${value.length} entries` : typeof value === 'object' ? 'a value' : value;
}

/** Returns whether a run reads or writes a bundle. */
export function carriesBundle(input: unknown): boolean {
  const { bundle } = (input ?? {}) as Record<string, unknown>;
  return bundle !== undefined && bundle !== noBundle;
}

/** Returns whether a run can do without Harness, as far as its input says: it only carries images. */
export function carriesOnly(input: unknown): boolean {
  const { action, images } = (input ?? {}) as Record<string, unknown>;
  if (action === 'export') return images !== undefined;
  return action === 'import' || ((action === 'plan' || action === 'verify') && carriesBundle(input));
}

/** Returns whether a run speaks to Harness. */
export function usesHarness({ action, bundle, images }: Carriage, configuration: Configuration): boolean {
  if (action === 'export') return images === undefined;
  if (action === 'verify' && bundle !== undefined) return false;
  return hasHarness(configuration);
}

function hasHarness({ harnessApiKey, harnessApiKeySecret }: Configuration): boolean {
  return harnessApiKey !== undefined || harnessApiKeySecret !== undefined;
}
