import type { Digest } from '../oci/spec/digest.ts';
import { getJson, type ObjectStore, putJson } from './object-store.ts';

/**
 * Every copy that the factory made and has not deleted: reference → digest. Nothing else is ever offered for deletion.
 * Only runs that hold the account's lock change it. Of runs on two accounts that share a store, one may lose what the
 * other adds at the same moment: such a copy stays for ever, which harms nobody.
 */
export type Inventory = Record<string, Digest>;

const key = 'inventory.json';

export async function readInventory(store: ObjectStore): Promise<Inventory> {
  return (await getJson<Inventory>(store, key)) ?? {};
}

export async function changeInventory(store: ObjectStore, change: (inventory: Inventory) => void): Promise<void> {
  const inventory = await readInventory(store);
  const before = JSON.stringify(inventory);
  change(inventory);
  if (JSON.stringify(inventory) !== before) await putJson(store, key, inventory);
}
