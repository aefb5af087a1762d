import { FactoryError } from '../errors.ts';
import type { Digest } from '../oci/spec/digest.ts';
import { inParallel } from '../async/in-parallel.ts';
import { loadImage, type Piece } from '../oci/spec/image.ts';
import { resolveTag } from '../oci/registry/manifests.ts';
import {
  formatReference,
  type ImageName,
  parseImageName,
  parseReference,
  type Reference,
  type RegistryLocation,
  tagOrDigest,
} from '../oci/spec/reference.ts';
import { isPresent, manifestReader } from '../images/images.ts';
import type { CopiedImage, CurrentImage, PlannedImage } from '../state/documents.ts';
import type { Inventory } from '../state/inventory.ts';
import { type Look, noteLooks, readLooks } from '../state/looks.ts';
import { describePieces, unrepaired } from '../images/pieces.ts';
import { Wholeness } from '../images/wholeness.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { candidatesOf, type Found } from './images.ts';
import { own } from '../text/own.ts';
import type { TaskRun } from '../runtime/task-run.ts';

export interface RepairSettings {
  registry: RegistryLocation;
  sources: readonly RegistryLocation[];
  recheckDays: number;
  now: Date;
  /** Images that Harness may be switched to. They are checked regardless of when the last check was. */
  switched: ReadonlySet<string>;
  /** References at our registry that overrides name. */
  inUse: readonly string[];
  inventory: Inventory;
}

/** Images checked in parallel. The limits of the registry bound the requests. */
const looksInFlight = 16; // Survives mutation: the number of parallel requests decides the speed alone.

export interface Repairs {
  /** Incomplete versions that overrides name and no planned image covers. */
  held: Found[];
  warnings: string[];
}

/**
 * Checks that images already at the target are complete, when the last check is `recheckDays` old, and plans copies of
 * those that lack something. Changes `found` accordingly. An image that cannot be checked is a warning, and the next
 * run checks it again. Images to switch to are checked again before the switch.
 */
export async function planRepairs(
  found: readonly Found[],
  settings: RepairSettings,
  { runtime, signal }: TaskRun,
): Promise<Repairs> {
  const { recheckDays, now, switched } = settings;
  const looks = await readLooks(runtime.store);
  const wholeness = new Wholeness(runtime);
  const noted: Look[] = [];
  const held: Found[] = [];
  const unseen = new Map<string, FactoryError>();
  const planned = found.filter(({ planned: image }) => {
    const isDue = () => looks.isDue(formatReference(image.target), image.digest, recheckDays, now);
    return isPresent(image) && (switched.has(image.image) || isDue());
  });
  const targets = new Set(found.map(({ planned: { target } }) => formatReference(target)));
  const others = settings.inUse.filter(
    (reference) => !targets.has(reference) && looks.isDue(reference, undefined, recheckDays, now),
  );
  await lookAt(
    planned,
    ({ planned: { target } }) => formatReference(target),
    (image, lookup) => look(image, [], lookup),
  );
  await lookAt(
    others,
    (reference) => reference,
    async (reference, lookup) => {
      const { image, missing } = await findHeld(reference, settings, { runtime, signal: lookup });
      await look(image, missing, lookup);
      if (image.planned.missing || image.planned.status === 'failed') held.push(image);
    },
  );
  await noteLooks(runtime.store, noted, now);
  return {
    held: held.toSorted((a, b) => a.planned.image.localeCompare(b.planned.image)),
    warnings: unseenWarnings(unseen),
  };

  async function lookAt<T>(
    items: readonly T[],
    nameOf: (item: T) => string,
    work: (item: T, signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    await inParallel(items, looksInFlight, signal, async (item, lookup) => {
      try {
        await work(item, lookup);
      } catch (error) {
        if (!(error instanceof FactoryError)) throw error;
        unseen.set(nameOf(item), error);
      }
    });
  }

  async function look(image: Found, missing: readonly Piece[], lookup: AbortSignal): Promise<void> {
    const { planned } = image;
    const { target, digest } = planned;
    if (planned.status === 'failed' || digest === undefined) return;
    const root = { repository: runtime.repository(target), digest };
    const lacks = async () => [...missing, ...(await wholeness.missing(root, { signal: lookup }))];
    const pieces = await lacks();
    noted.push({ reference: formatReference(target), digest, whole: pieces.length === 0 });
    if (pieces.length > 0)
      image.planned = await planRepair(
        image,
        { ...planned, digest },
        { ...settings, lacks, wholeness },
        { runtime, signal: lookup },
      );
  }
}

/** Returns one warning for all images: a registry that refuses one check usually refuses the others too. */
function unseenWarnings(unseen: ReadonlyMap<string, FactoryError>): string[] {
  const [first] = unseen;
  if (!first) return [];
  const [reference, { message }] = first;
  const more = unseen.size > 1 ? ` and ${unseen.size - 1} more` : '';
  return [`${reference}${more} could not be checked: ${message}`];
}

/** Finds an image by the reference that an override names. When its tag is gone, the inventory may know its digest. */
async function findHeld(
  reference: string,
  { registry, inventory }: RepairSettings,
  { runtime, signal }: TaskRun,
): Promise<{ image: Found; missing: readonly Piece[] }> {
  const target = parseReference(reference);
  const served = await resolveTag(runtime.repository(target), tagOrDigest(target), { signal });
  const digest = served ?? target.digest ?? own(inventory, reference);
  const name: ImageName = {
    ...target,
    registry: undefined,
    repository: registry.prefix === '' ? target.repository : target.repository.slice(registry.prefix.length + 1),
  };
  const row = { image: formatReference(name), target, held: true } as const;
  const missing: Piece[] = served === undefined && digest !== undefined ? [{ kind: 'manifest', digest }] : [];
  if (digest !== undefined) return { image: { planned: { ...row, digest, status: 'current' } }, missing };
  const error = new FactoryError('ImagesIncomplete', `${reference} is not at the registry, and an override names it`, {
    hint: 'Reset the field, or copy the version again with sync and "pins".',
  }).toJSON();
  return { image: { planned: { ...row, status: 'failed', error } }, missing };
}

interface Lookup {
  sources: readonly RegistryLocation[];
  wholeness: Wholeness;
  lacks: () => Promise<readonly Piece[]>;
}

/** Plans to copy the missing pieces from the first source that has all of them, no matter where its tag points now. */
async function planRepair(
  found: Found,
  there: (CurrentImage | CopiedImage) & { digest: Digest },
  { sources, lacks, wholeness }: Lookup,
  { runtime, signal }: TaskRun,
): Promise<PlannedImage> {
  const planned = { ...there, missing: await lacks() };
  if (planned.status === 'copy') delete planned.present;
  const candidates = candidatesOf(parseImageName(planned.image), { sources });
  const failures: FactoryError[] = [];
  for (const candidate of candidates) {
    const source = runtime.repository(candidate);
    try {
      const read = manifestReader(source, { runtime, signal });
      const image = await loadImage(await read(there.digest), read);
      // Now every manifest is known, and so is everything below a missing one.
      const missing = await lacks();
      if (!(await wholeness.serves(source, missing, signal))) continue;
      found.image = image;
      delete planned.otherSources;
      return { ...planned, missing, source: candidate, status: 'copy' };
    } catch (error) {
      if (!(error instanceof FactoryError)) throw error;
      failures.push(error);
    }
  }
  // A source that could not be reached is a more informative reason than one that lacks the pieces.
  const telling = failures.find(({ name }) => name !== 'ImageNotFound' && name !== 'RegistryForbidden');
  const error = telling ? unrepaired(planned, telling) : unmendable(planned, candidates, runtime);
  return { ...planned, status: 'failed', error: error.toJSON() };
}

function unmendable(
  { target, missing = [] }: PlannedImage,
  candidates: readonly Reference[],
  { configuration: { buildPushTemplate } }: Runtime,
): FactoryError {
  const sources = [...new Set(candidates.map(({ registry }) => registry))].join(', ');
  return new FactoryError(
    'ImagesIncomplete',
    `${formatReference(target)} lacks ${describePieces(missing)}; no source has all of these pieces (${sources})`,
    {
      hint:
        buildPushTemplate === undefined
          ? 'Restore it at the registry from a backup, or pin a version that a source still has.'
          : 'Delete the tag at the registry and run sync: BUILD_PUSH_TEMPLATE builds the image again.',
    },
  );
}
