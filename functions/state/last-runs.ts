import pLimit from 'p-limit';
import { formatReference } from '../oci/spec/reference.ts';
import { copiesImages } from '../settings/input-schema.ts';
import type { Plan } from './documents.ts';
import type { ObjectStore } from './object-store.ts';
import { RunDocuments } from './run-documents.ts';

/** The runs whose plans are read at the same time. A plan of 500 images takes several MiB of memory to read. */
const readsAtOnce = 8; // Survives mutation: the number of parallel reads decides the speed alone.
const dayMs = 86_400_000;
/** Days for which a run counts. A bucket keeps its documents as long. */
const countedDays = 90;

/** A use of an image by an account, and the image: one pair for each image of a use. */
type Uses = [use: string, image: string][];

/**
 * Returns the images that the `runs` kept at the registry, and that pods may pull although no override names them: those
 * that no field names, and those of fields that connectors lead to. Keeps the newest `keepVersions` versions of each
 * use. So runs that list other images never push out those of a schedule.
 */
export async function imagesOfLastRuns(
  store: ObjectStore,
  runs: readonly string[],
  keepVersions: number,
  now: Date,
): Promise<Set<string>> {
  const oldest = now.getTime() - countedDays * dayMs;
  const found = await pLimit(readsAtOnce).map(runs, async (runId) => {
    const plan = await new RunDocuments(store, runId).plan.find();
    if (!plan || !copiesImages(plan.action)) return [];
    const startedAt = Date.parse(plan.startedAt);
    // Keep nothing else of the plan in memory: it may be large.
    return startedAt < oldest ? [] : [{ startedAt, uses: usesOf(plan) }];
  });
  const kept = new Map<string, Set<string>>();
  for (const { uses } of found.flat().toSorted((a, b) => b.startedAt - a.startedAt)) {
    for (const [use, images] of Map.groupBy(uses, ([key]) => key)) {
      const newer = kept.get(use) ?? new Set();
      if (newer.size < keepVersions) kept.set(use, newer.union(new Set(images.map(([, image]) => image))));
    }
  }
  return new Set([...kept.values()].flatMap((images) => [...images]));
}

function usesOf({ accountId = '', images, changes, kept, pulls = [] }: Plan): Uses {
  const fields = Map.groupBy([...changes, ...kept], ({ image }) => image);
  const uses: Uses = [
    ...images.flatMap(({ status, image, requested = image, target, unnamed }): Uses => {
      if (status === 'failed') return [];
      const rows = fields.get(image) ?? [];
      const users = rows.map(({ module, infrastructureType, field }) => `${module} ${infrastructureType} ${field}`);
      return [...users, ...(unnamed ? [requested] : [])].map((use) => [use, formatReference(target)]);
    }),
    ...pulls.flatMap(({ fields: users, reference, status }) =>
      // What pods pull from another registry is no version that is kept here.
      status === 'elsewhere' ? [] : users.map((field): Uses[number] => [field, reference]),
    ),
  ];
  return uses.map(([use, image]) => [`${accountId} ${use}`, image]);
}
