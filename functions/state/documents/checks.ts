import * as z from 'zod';
import { text } from './values.ts';

/** One thing that `doctor` looked at. */
const check = z.object({
  /** `key`, `target registry.example.com/harness`. */
  name: text,
  /** `warning`: runs work, but for what the message says. `skipped`: another check says why. */
  status: z.enum(['ok', 'warning', 'failed', 'skipped']),
  message: text,
  /** The next step of a person. */
  cure: text.exactOptional(),
});
export type Check = z.output<typeof check>;
export const checks = z.array(check);
