import * as z from 'zod';
import { digest } from './content.ts';
import { getJson, type ObjectStore, updateJson } from './object-store.ts';
import { versioned } from './schema.ts';

const key = 'received.json';

const repository = z.object({
  /** `host[:port]` */
  registry: z.string(),
  repository: z.string(),
  /** The manifests and blobs that the last imports verified there. */
  digests: z.array(digest),
});
export type Received = z.output<typeof repository>;

const schema = versioned<Received[]>({
  content: z.array(repository),
  under: 'repositories',
  cure: 'Delete it. Imports then look for what a bundle leaves out in the repositories of the inventory.',
});

/** Returns what imports verified in each repository. It says where to look, and not that anything is still there. */
export async function readReceived(store: ObjectStore): Promise<Received[]> {
  return (await getJson(store, key, schema)) ?? [];
}

/** Replaces what is noted for these repositories. */
export async function noteReceived(store: ObjectStore, received: readonly Received[]): Promise<void> {
  await updateJson(store, key, schema, (known = []) => {
    const isNoted = (row: Received) =>
      received.some((other) => other.registry === row.registry && other.repository === row.repository);
    return [...known.filter((row) => !isNoted(row)), ...received];
  });
}
