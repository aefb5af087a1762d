import * as z from 'zod';
import type { Digest } from '../oci/spec/digest.ts';
import { digest } from './content.ts';
import { getJson, type ObjectStore, putJson } from './object-store.ts';
import { versioned } from './schema.ts';

/**
 * Every copy that the factory made and has not deleted: reference → digest. Nothing else is ever offered for deletion.
 * Only runs that hold the account's lock change it. When two accounts share a store, one run may lose what another adds
 * at the same moment: that copy is then never pruned, which is safe.
 */
export type Inventory = Record<string, Digest>;

const key = 'inventory.json';

const schema = versioned({
  content: z.looseObject({ copies: z.record(z.string(), digest) }),
  migrate: (copies) => ({ copies }),
  cure: 'Restore it from a backup, or delete it. Without it, the copies made so far are never pruned.',
});

export async function readInventory(store: ObjectStore): Promise<Inventory> {
  return (await getJson(store, key, schema))?.copies ?? {};
}

export async function changeInventory(store: ObjectStore, change: (inventory: Inventory) => void): Promise<void> {
  const copies = await readInventory(store);
  const before = JSON.stringify(copies);
  change(copies);
  if (JSON.stringify(copies) !== before) await putJson(store, key, schema, { copies });
}
