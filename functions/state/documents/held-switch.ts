import * as z from 'zod';
import { text, texts } from './values.ts';

/** The reasons for which a run does not switch Harness, and the images that Harness would pull. */

/** An image that pods would pull through the connector of Harness's images. */
export const pull = z.object({
  reference: text,
  /**
   * `planned`: this run copies it. `elsewhere`: it is at another registry, and was not looked up. `unknown`: Harness
   * cannot resolve it, or the registry refused the lookup.
   */
  status: z.enum(['present', 'planned', 'missing', 'elsewhere', 'unknown']),
  /** The fields that use it, as `module infrastructure field`. */
  fields: texts,
  /** Harness's default, when one of the fields has no override. */
  official: text.exactOptional(),
});
export type Pull = z.output<typeof pull>;

/** The reason why a sync or restore does not switch Harness, and the way out. */
export const blockedSwitch = z.object({
  reason: text,
  /** The steps after the copies, in an order without an outage. */
  steps: texts,
  /** The images that pods would miss through the address that `manage_connector` would set. */
  missing: z.array(pull).exactOptional(),
});
export type BlockedSwitch = z.output<typeof blockedSwitch>;

/** The reason why a scheduled run did not switch Harness, in sentences, and the command that switches it. */
export const awaitedSwitch = z.object({ reason: text, command: text });
