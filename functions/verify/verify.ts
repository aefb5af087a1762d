import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorName, FactoryError } from '../errors.ts';
import type { Digest } from '../oci/spec/digest.ts';
import { inParallel } from '../async/in-parallel.ts';
import { formatReference, parseReference, tagOrDigest } from '../oci/spec/reference.ts';
import { resolveTag } from '../oci/registry/manifests.ts';
import { isPresent, placeOf } from '../images/images.ts';
import { shownAddress } from '../overrides/connector-change.ts';
import { type ImageConnector, readImageConnector } from '../overrides/image-connector.ts';
import { imageAtOurs, isOurs, relativeCopy } from '../overrides/override.ts';
import { pulledInstead } from '../overrides/pulls.ts';
import {
  changedMeanwhile,
  describeDifference,
  type Difference,
  waitForAgreement,
  writeOverrides,
} from '../overrides/agreement.ts';
import { isSameField } from '../overrides/apply-changes.ts';
import type { ConfigResult, FieldChange, IncompleteImage, Plan } from '../state/documents.ts';
import { type Look, noteLooks } from '../state/looks.ts';
import { overridesInUse } from '../overrides/overrides-in-use.ts';
import { describePieces } from '../images/pieces.ts';
import { Wholeness } from '../images/wholeness.ts';
import { checkBundle } from './bundle.ts';
import { checkImported } from './imported.ts';
import type { TaskRun } from '../runtime/task-run.ts';

const imagesInFlight = 16; // Survives mutation: the number of parallel requests decides the speed alone.

export interface VerifyResult {
  /** `continue`: of a bundle, part is still to be read. */
  status: 'agrees' | 'continue';
}

/**
 * Compares the configuration of Harness with the intended one, and the images that Harness would pull with those that
 * the registry serves. Throws `VerificationFailed` after a run that wrote, `DriftFound` after `verify`. Both list every
 * difference.
 */
export async function verify({ runId }: { runId: string }, run: TaskRun): Promise<VerifyResult> {
  const documents = run.runtime.run(runId);
  const plan = await run.runtime.plan(runId);
  const { action, bundle } = plan;
  if (action === 'verify' && bundle) return { status: await checkBundle({ runId, bundle }, run) };
  const { changes } = await documents.changes.get();
  const results = await documents.config.find();
  // First, because the check of the values reads the connector too.
  const moved = await movedConnector(plan, run);
  const [config, misresolved, missing, lost] = await Promise.all([
    configDifferences(plan, changes, results, run),
    misresolvedImages(plan, results, run),
    missingImages(plan, changes, results !== undefined, run),
    plan.action === 'import' ? checkImported(plan, run) : [],
  ]);
  const ofHarness = [...moved, ...config, ...misresolved];
  const ofRegistry = [...missing, ...lost];
  if (ofHarness.length + ofRegistry.length > 0)
    throw disagreement(results ? 'VerificationFailed' : 'DriftFound', { ofHarness, ofRegistry }, plan);
  if (results) await documents.verified.put({ at: new Date().toISOString() });
  return { status: 'agrees' };
}

/**
 * Returns the differences of the configuration. After a write: changes that do not show, even when written once more.
 * A value that somebody else set since is left alone, and recorded. For `verify`: the changes that sync would write.
 */
async function configDifferences(
  plan: Plan,
  changes: readonly FieldChange[],
  results: readonly ConfigResult[] | undefined,
  run: TaskRun,
): Promise<string[]> {
  if (!results) {
    if (plan.action !== 'verify' || !plan.modifyDefault) return [];
    return changes.map((change) => describeDifference({ ...change, now: change.from }));
  }
  const written = results.filter(({ status }) => status === 'updated' || status === 'reset');
  const differences = await waitForAgreement(written, run);
  const taken = differences.filter((difference) => isTaken(difference, plan));
  if (taken.length > 0) await run.runtime.run(plan.runId).config.put(results.map((row) => leftTo(taken, row)));
  const lost = differences.filter((difference) => !taken.includes(difference));
  if (lost.length === 0) return [];
  // Harness has no lock: another writer may have saved a document that it read before this run's write.
  await writeOverrides(plan.runId, lost, run);
  const kept = written.filter((row) => !taken.some((difference) => isSameField(difference, row)));
  return (await waitForAgreement(kept, run)).map(describeDifference);
}

/**
 * Returns whether somebody else set the value: it is not that of before, which a lost write leaves, and not at our
 * registry. The start or the end of the written value was never set by anyone: Harness must have cut it.
 */
function isTaken({ from, to, now }: Difference<ConfigResult>, { registry }: Plan): boolean {
  if (now === null || now === from || isOurs(now, registry)) return false;
  return !to?.startsWith(now) && !to?.endsWith(now);
}

function leftTo(taken: readonly Difference<ConfigResult>[], row: ConfigResult): ConfigResult {
  const now = taken.find((difference) => isSameField(difference, row))?.now;
  return now === undefined ? row : { ...row, from: now, to: now, status: 'unchanged', reason: changedMeanwhile };
}

/** Returns the difference when the connector does not have the address that the run wrote, or `verify` expects. */
async function movedConnector({ action, connector }: Plan, { runtime, signal }: TaskRun): Promise<string[]> {
  if (!connector) return [];
  const { reference, ref, to } = connector;
  const harness = await runtime.harness();
  const read = async () => (await harness.connector(ref, signal))?.dockerRegistryUrl;
  let now = await read();
  // A read just after the write may be stale.
  for (const pause of action === 'verify' ? [] : runtime.readBackPausesMs) {
    if (now === to.dockerRegistryUrl) break;
    await sleep(pause, undefined, signal && { signal });
    now = await read();
  }
  return now === to.dockerRegistryUrl
    ? []
    : [`connector ${reference} is ${shownAddress(now)}, not ${shownAddress(to.dockerRegistryUrl)}`];
}

/** Returns the values that Harness would replace by another image, through the connector as it is now. */
async function misresolvedImages(
  plan: Plan,
  results: readonly ConfigResult[] | undefined,
  { runtime, signal }: TaskRun,
): Promise<string[]> {
  const values = overridesAtOurs(plan, results);
  if (values.size === 0) return [];
  let found: ImageConnector;
  try {
    found = await readImageConnector({ runtime, signal });
  } catch (error) {
    // A key that may view the account need not be allowed to see connectors.
    const { name, message } = FactoryError.from(error);
    if (name !== 'HarnessForbidden') throw error;
    runtime.progress({ kind: 'note', message: `the connector of Harness's images could not be checked: ${message}` });
    return [];
  }
  const { reference, named, connector } = found;
  // Without a Docker connector Harness uses images as written.
  const url = connector?.type === 'DockerRegistry' ? connector.dockerRegistryUrl : undefined;
  if (url === undefined) {
    // A value without a registry is as good as Harness's own names then.
    const isNeeded = named && [...values].some(([value, image]) => value === image);
    return isNeeded ? [`connector ${reference} is no longer a Docker registry connector`] : [];
  }
  return [...values].flatMap(([value, image]) => {
    const pulled = pulledInstead(value, image, url, plan.registry);
    return pulled === undefined ? [] : `Harness would pull ${pulled} instead of ${image}, through ${reference}`;
  });
}

/**
 * Returns the values at our registry, with the images that they stand for: for `verify` the current ones, for other runs
 * those that the run wrote.
 */
function overridesAtOurs(
  { action, changes, kept, inUse = [], registry, connector }: Plan,
  results: readonly ConfigResult[] = [],
): Map<string, string> {
  // A field that Harness refused to change must work through the new address of the connector too.
  const refused = results.flatMap(({ status, from }) =>
    connector && status === 'rejected' && from !== null ? from : [],
  );
  const values =
    action === 'verify'
      ? [...kept.map(({ value }) => value), ...changes.map(({ from }) => from)]
      : results.flatMap(({ status, to }) => (status === 'rejected' ? [] : to));
  const written = changes.flatMap(({ to, image }) =>
    to === null || image === undefined ? [] : (relativeCopy(to, registry) ?? []),
  );
  const copies = new Set(action === 'verify' ? inUse : written);
  const ours = values.flatMap((value): [string, string][] => {
    const image = value === null ? undefined : imageAtOurs(value, registry, copies);
    return value === null || image === undefined ? [] : [[value, image]];
  });
  return new Map([...ours, ...refused.map((value) => [value, value] as const)]);
}

/** Returns the images that the registry lacks, or serves under another digest than the official image's. */
async function missingImages(
  plan: Plan,
  changes: readonly FieldChange[],
  isSwitched: boolean,
  run: TaskRun,
): Promise<string[]> {
  if (plan.action === 'verify') return [...absentImages(plan), ...(await incompleteImages(plan, run))];
  // The plan looked up the images that were current. Only copies of this run are looked up here.
  const expected = new Map<string, Digest | undefined>();
  for (const [index, planned] of plan.images.entries()) {
    if (planned.status !== 'copy' || !changes.some(({ image }) => image === planned.image)) continue;
    const result = planned.afterScan ? await run.runtime.run(plan.runId).copyResult(index).find() : undefined;
    // The tags of a switch have moved before it.
    const place = isSwitched ? planned.target : placeOf(planned, result);
    expected.set(formatReference(place), planned.digest ?? result?.digest);
  }
  return missingTargets(expected, run);
}

function absentImages({ images }: Plan): string[] {
  return images.flatMap((planned) => {
    if (planned.status === 'failed') return [`${planned.image}: ${planned.error.message}`];
    if (isPresent(planned)) return [];
    const { target, digest } = planned;
    return [`${formatReference(target)} is not at the registry as ${digest ?? 'built from the current image'}`];
  });
}

/** A manifest that nobody can use is a difference. After any other failure `verify` has no result. */
const unusable: ReadonlySet<string> = new Set<ErrorName>(['ManifestInvalid', 'ManifestUnsupported']);

/** Returns missing pieces of the images that Harness uses now, or would use after a sync. */
async function incompleteImages(plan: Plan, { runtime, signal }: TaskRun): Promise<string[]> {
  const wholeness = new Wholeness(runtime);
  const planned = new Map(plan.images.map((image) => [formatReference(image.target), image]));
  const references = new Set([...planned.keys(), ...(await referencesInUse(plan, { runtime, signal }))]);
  const differences: string[] = [];
  const looks: Look[] = [];
  const incomplete: IncompleteImage[] = [];
  await inParallel([...references], imagesInFlight, signal, async (reference, lookup) => {
    const image = planned.get(reference);
    const name = parseReference(reference);
    const repository = runtime.repository(name);
    const digest =
      image && isPresent(image) ? image.digest : await resolveTag(repository, tagOrDigest(name), { signal: lookup });
    if (digest === undefined) {
      // `absentImages` reports planned images.
      if (!image) differences.push(`${reference} is not at the registry`);
      return;
    }
    const missing = await wholeness.missing({ repository, digest }, { signal: lookup }).catch((error: unknown) => {
      const { name: errorName, message } = FactoryError.from(error);
      if (!unusable.has(errorName)) throw error;
      differences.push(`${reference}: ${message}`);
      return undefined;
    });
    if (!missing) return;
    looks.push({ reference, digest, whole: missing.length === 0 });
    if (missing.length === 0) return;
    differences.push(`${reference} lacks ${describePieces(missing)}`);
    incomplete.push({ reference, missing });
  });
  if (incomplete.length > 0) await runtime.run(plan.runId).incomplete.put(incomplete);
  await noteLooks(runtime.store, looks, new Date());
  return differences.toSorted();
}

/** Returns the references at our registry that overrides name, in every module, or the readable ones of the run. */
async function referencesInUse({ inUse = [], registry }: Plan, { runtime, signal }: TaskRun): Promise<string[]> {
  try {
    const values = await overridesInUse([], { runtime, signal });
    return [...inUse, ...values.filter((value) => isOurs(value, registry))];
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof FactoryError)) throw error;
    const message = `only the modules of this run were checked: ${error.message}`;
    runtime.progress({ kind: 'note', message });
    return inUse;
  }
}

/** Compares the digests that the registry serves under references with the expected ones, if any. */
async function missingTargets(
  expected: ReadonlyMap<string, Digest | undefined>,
  { runtime, signal }: TaskRun,
): Promise<string[]> {
  const differences: string[] = [];
  await inParallel([...expected], imagesInFlight, signal, async ([target, digest], lookup) => {
    const reference = parseReference(target);
    const served = await resolveTag(runtime.repository(reference), tagOrDigest(reference), { signal: lookup });
    if (served === undefined) differences.push(`${target} is not at the registry`);
    else if (served !== (digest ?? served)) differences.push(`${target} is ${served} at the registry, not ${digest}`);
  });
  return differences.toSorted();
}

/** Maximum number of differences in a message. */
const shownDifferences = 20;

interface Differences {
  ofHarness: readonly string[];
  ofRegistry: readonly string[];
}

function disagreement(name: ErrorName, differences: Differences, { action }: Plan): FactoryError {
  const all = [...differences.ofHarness, ...differences.ofRegistry];
  const more = all.slice(shownDifferences).length;
  const shown = all.slice(0, shownDifferences).join('; ') + (more > 0 ? `; and ${more} more, in the report` : '');
  return new FactoryError(name, `${all.length} difference${all.length === 1 ? '' : 's'}: ${shown}`, {
    hint: cureOf(name, differences, action),
  });
}

function cureOf(name: ErrorName, { ofHarness }: Differences, action: Plan['action']): string {
  if (action === 'verify') return 'Run sync to repair it.';
  if (ofHarness.length === 0)
    return `The registry changed during the run. Run ${action} again: it copies what is missing.`;
  return name === 'DriftFound'
    ? `Something changed during the run. Run ${action} again.`
    : 'Harness does not show what was written; something else may manage the same fields. See "VerificationFailed" in docs/troubleshooting.md.';
}
