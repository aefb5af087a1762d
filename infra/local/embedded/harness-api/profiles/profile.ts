import type { Defaults } from '../defaults.ts';
import type { Quirks } from '../quirks.ts';

/** A version of Harness: the images it ships, and how its services behave. */
export interface Profile {
  defaults: Defaults;
  /** Differences from today's SaaS. */
  quirks: Partial<Quirks>;
}
