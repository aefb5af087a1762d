import * as z from 'zod';
import { own } from '../text/own.ts';
import { getJson, type ObjectStore, updateJson } from './object-store.ts';
import { versioned } from './schema.ts';

const key = 'written-values.json';
/** Values that an account keeps, the newest ones: those of more than a year of weekly releases. */
const mostValues = 5_000;

const schema = versioned<Record<string, string[]>>({
  content: z.record(z.string(), z.array(z.string())),
  under: 'accounts',
  cure: 'Restore it from a backup, or delete it. Without it, "reset" needs "override_values": "relative".',
});

/** Returns the overrides without a registry that runs of an account have written. Nothing else shows whose they are. */
export async function readWrittenValues(store: ObjectStore, accountId: string): Promise<ReadonlySet<string>> {
  return new Set(own((await getJson(store, key, schema)) ?? {}, accountId));
}

/** Records overrides without a registry that a run is about to write. */
export async function noteWrittenValues(
  store: ObjectStore,
  accountId: string,
  values: readonly string[],
): Promise<void> {
  if (values.length === 0) return;
  await updateJson(store, key, schema, (accounts = {}) => {
    const known = own(accounts, accountId) ?? [];
    const fresh = [...new Set(values)].filter((value) => !known.includes(value));
    return fresh.length === 0 ? undefined : { ...accounts, [accountId]: [...known, ...fresh].slice(-mostValues) };
  });
}
