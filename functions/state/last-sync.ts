import * as z from 'zod';
import { getJson, type ObjectStore, updateJson } from './object-store.ts';
import { versioned } from './schema.ts';

const key = 'last-sync.json';
const schema = versioned({
  content: z.object({ at: z.iso.datetime() }),
  cure: 'Delete it. The alarm for an overdue sync then counts from now on.',
});

/** Records the time of a sync that succeeded. */
export async function noteSync(store: ObjectStore, now: Date): Promise<void> {
  const at = now.toISOString();
  await updateJson(store, key, schema, (known) => (known && known.at >= at ? undefined : { at }));
}

/** Returns the time of the last sync that succeeded. Before the first one, returns and records the time of this call. */
export async function lastSync(store: ObjectStore, now: Date): Promise<Date> {
  const known = await getJson(store, key, schema);
  if (known) return new Date(known.at);
  await noteSync(store, now);
  return now;
}
