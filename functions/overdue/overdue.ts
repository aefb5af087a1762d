import { lastSync } from '../state/last-sync.ts';
import type { ObjectStore } from '../state/object-store.ts';

/** Returns the hours since the last sync that succeeded, or since the first call when none has. */
export async function hoursSinceSync(store: ObjectStore, now: Date): Promise<number> {
  const since = await lastSync(store, now);
  return Math.max(0, now.getTime() - since.getTime()) / 3_600_000;
}
