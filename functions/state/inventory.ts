import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import type { Digest } from '../oci/spec/digest.ts';
import { digest } from './content.ts';
import { getJson, type ObjectStore, updateJson } from './object-store.ts';
import { versioned } from './schema.ts';

/** Every copy that the factory made and has not deleted: reference → digest. Nothing else is ever offered for deletion. */
export type Inventory = Record<string, Digest>;

const key = 'inventory.json';

const schema = versioned<Inventory>({
  content: z.record(z.string(), digest),
  under: 'copies',
  cure: 'Restore it from a backup, or delete it. Without it, the copies made so far are never pruned.',
});

export async function readInventory(store: ObjectStore): Promise<Inventory> {
  return (await getJson(store, key, schema)) ?? {};
}

/** Changes the inventory, which accounts may share. `change` may be called several times, each time with other content. */
export async function changeInventory(store: ObjectStore, change: (inventory: Inventory) => void): Promise<void> {
  await updateJson(store, key, schema, (inventory = {}) => {
    const changed = { ...inventory };
    change(changed);
    return isDeepStrictEqual(changed, inventory) ? undefined : changed;
  });
}
