import { logged } from '../lambda/logged.ts';
import { writeSyncAge } from '../lambda/metrics.ts';
import { stateStore } from '../lambda/state-store.ts';
import { hoursSinceSync } from './overdue.ts';

/** Writes the age of the last sync as a metric, for the alarm of schedules with long gaps. */
export const handler = logged(async () => {
  const hours = await hoursSinceSync(stateStore(process.env), new Date());
  writeSyncAge(hours);
  return { status: `${Math.floor(hours)} hours since the last sync` };
});
