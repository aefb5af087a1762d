import { FactoryError } from '../errors.ts';
import type { Digest } from '../oci/spec/digest.ts';
import { inParallel } from '../async/in-parallel.ts';
import type { Manifest } from '../oci/spec/manifest.ts';
import { digestsBelow } from '../oci/spec/manifest-graph.ts';
import { getManifest, resolveTag } from '../oci/registry/manifests.ts';
import type { Repository } from '../oci/registry/repository.ts';
import {
  formatReference,
  isInside,
  parseImageName,
  type Reference,
  type RegistryLocation,
  relocate,
} from '../oci/spec/reference.ts';
import { RegistryFailure } from '../oci/registry/registry-failure.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Plan, UnusedImage } from '../state/documents.ts';
import { parseOverride } from '../overrides/override.ts';
import { readFirstSeen, ripeAt } from '../state/first-seen.ts';
import { imagesOfLastRuns } from '../state/last-runs.ts';
import { type RunDocuments, runsAmong } from '../state/run-documents.ts';
import type { TaskRun } from '../runtime/task-run.ts';

const lookupsInFlight = 16;

/** An image at the factory's registry that something uses, or is about to use. */
export interface UsedImage {
  reference: Reference;
  /** The digest that the image has, or will have when it has arrived. */
  digest?: Digest | undefined;
  /** The source of the image, for manifests that have not arrived yet. */
  source?: Reference | undefined;
}

/**
 * Returns the images of a plan, of the plans of runs that have not ended, and those that the last runs that have ended
 * kept for pods without an override: accounts that share the state run at the same time. The digest of an image that
 * BUILD_PUSH_TEMPLATE built is in the result of the copy.
 */
export async function plannedImages(
  plan: Omit<Plan, 'unused'>,
  keepVersions: number,
  runtime: Runtime,
): Promise<UsedImage[]> {
  const keys = await runtime.store.list('runs/');
  const ended = new Set(runsAmong(keys, ['report.json']));
  const others = runsAmong(keys, ['plan.json']).filter((runId) => runId !== plan.runId);
  const { running = [], past = [] } = Object.groupBy(others, (runId) => (ended.has(runId) ? 'past' : 'running'));
  const plans = await Promise.all(running.map((runId) => runtime.run(runId).plan.find()));
  const atWork = [plan, ...plans.filter((other) => other !== undefined)];
  const images = await Promise.all(atWork.map((each) => imagesOf(each, runtime.run(each.runId))));
  const waiting = await waitingImages(plan.registry, runtime);
  const last = await imagesOfLastRuns(runtime.store, past, keepVersions, new Date());
  return [
    ...[...images.flat(), ...waiting].filter(({ reference }) => isInside(reference, plan.registry)),
    ...imagesNamed([...last], plan.registry),
  ];
}

/**
 * Returns the versions that a field of any account may still be switched to: the newest ripe one, and those that soak.
 * Each is in use by its tag and by its digest, because a tag that moves is stored under its digest while it soaks.
 */
async function waitingImages(registry: RegistryLocation, { store }: Runtime): Promise<UsedImage[]> {
  const seen = await readFirstSeen(store);
  const now = new Date();
  return Object.values(seen.fields).flatMap(({ soakDays, versions }) => {
    if (soakDays === 0) return [];
    const ripe = versions.findLastIndex((version) => ripeAt(seen, version, soakDays) <= now);
    return versions.slice(Math.max(0, ripe)).flatMap(({ image, digest, copy = digest }): UsedImage[] => {
      const reference = relocate(parseImageName(image), registry);
      return [{ reference }, { reference: { ...reference, tag: undefined, digest: copy } }];
    });
  });
}

async function imagesOf({ images }: Omit<Plan, 'unused'>, documents: RunDocuments): Promise<UsedImage[]> {
  return Promise.all(
    images.map(async ({ target, digest, source }, index) => {
      const built = (await documents.copyResult(index).find())?.digest;
      return { reference: target, digest: built ?? digest, source };
    }),
  );
}

/**
 * Returns the images at `registry` that the overrides `values` may mean. A registry has several names (a port, an
 * alias, a proxy), and a value without a registry gets one from a connector: the path decides.
 */
export function imagesNamed(values: readonly string[], registry: RegistryLocation): UsedImage[] {
  return values.flatMap((value) => {
    const image = parseOverride(value);
    if (!image) return [];
    const here = { ...image, registry: registry.registry };
    const places = image.registry === undefined ? [here, relocate(image, registry)] : [here];
    return places.filter((place) => isInside(place, registry)).map((reference) => ({ reference }));
  });
}

/** Returns the names that use an image: by its tag, by its digest, or by both. */
export function namesOf({ reference }: UsedImage): string[] {
  const { tag, digest } = reference;
  if (digest === undefined) return [formatReference({ ...reference, tag: tag ?? 'latest' })];
  const byDigest = formatReference({ ...reference, tag: undefined });
  return tag === undefined ? [byDigest] : [byDigest, formatReference({ ...reference, digest: undefined })];
}

/** The digests of one repository that nothing may delete. */
export interface ProtectedDigests {
  /** Digests that used tags have, or will have. */
  tagged: Set<Digest>;
  /** Digests that used images have and lead to. */
  all: Set<Digest>;
}

/**
 * Returns the digests that used images have and lead to, by the path of their repository, for the repositories of
 * `copies`. `known` holds the digests of copies by name. A tag that does not exist yet protects the digest that it will
 * have.
 */
export async function protectedDigests(
  copies: readonly UnusedImage[],
  used: readonly UsedImage[],
  known: Readonly<Record<string, Digest>>,
  { runtime, signal }: TaskRun,
): Promise<Map<string, ProtectedDigests>> {
  const found = new Map<string, ProtectedDigests>();
  const repositories = new Set(copies.map(({ reference }) => parseImageName(reference).repository));
  const besides = used.filter(({ reference }) => repositories.has(reference.repository));
  await inParallel(besides, lookupsInFlight, signal, async (image, lookup) => {
    const { reference, source } = image;
    const repository = runtime.repository(reference);
    const tag = reference.digest === undefined ? (reference.tag ?? 'latest') : undefined;
    const tops = [
      reference.digest,
      image.digest,
      ...namesOf(image).map((name) => known[name]),
      tag === undefined ? undefined : await resolveTag(repository, tag, { signal: lookup }),
    ].filter((digest) => digest !== undefined);
    const places = [repository, ...(source ? [runtime.repository(source)] : [])];
    const all = await digestsBelow(
      tops,
      (digest, each) => manifestOf(digest, places, { runtime, signal: each }),
      lookup,
    );
    const of = found.get(reference.repository) ?? { tagged: new Set(), all: new Set() };
    const tagged = of.tagged.union(new Set(tag === undefined ? [] : tops));
    found.set(reference.repository, { tagged, all: of.all.union(all) });
  });
  return found;
}

/** Gets a manifest from the first place that has it; `undefined` when none does. */
export async function manifestOf(
  digest: Digest,
  places: readonly Repository[],
  { runtime, signal }: TaskRun,
): Promise<Manifest | undefined> {
  for (const place of places) {
    try {
      return await runtime.manifests.through(digest, () => getManifest(place, digest, signal));
    } catch (error) {
      if (!isMissing(error, place)) throw error;
    }
  }
  return undefined;
}

function isMissing(error: unknown, { registry }: Repository): boolean {
  if (error instanceof RegistryFailure && error.status === 403) return registry.profile.missing403;
  return error instanceof FactoryError && error.name === 'ImageNotFound';
}
