import * as z from 'zod';
import { digest } from './content.ts';
import { getJson, type ObjectStore } from './object-store.ts';
import { versioned } from './schema.ts';

const key = 'received.json';

const repository = z.object({
  /** `host[:port]` */
  registry: z.string(),
  repository: z.string(),
  /** The manifests and blobs that the last imports verified there. */
  digests: z.array(digest),
});
type Received = z.output<typeof repository>;

const schema = versioned<Received[]>({
  content: z.array(repository),
  under: 'repositories',
  cure: 'Delete it. Imports then look for what a bundle leaves out in the repositories of the inventory.',
});

/** Returns what imports verified in each repository. It says where to look, and not that anything is still there. */
export async function readReceived(store: ObjectStore): Promise<Received[]> {
  return (await getJson(store, key, schema)) ?? [];
}
