import * as z from 'zod';
import { text, texts } from './values.ts';

/** A message to people about a run. */
export interface Notification {
  subject: string;
  text: string;
  /** Attributes that subscriptions can filter by. */
  attributes: Readonly<Record<string, string>>;
}

/** The ways in which the end of a run is delivered. */
export type Delivery = 'callback' | 'event' | 'notification';

/** Deliveries of the report of a run, so that a retried report repeats none. */
export const told = z.object({
  /** The start of the run. Names of executions can be reused after 90 days. */
  startedAt: text.optional(),
  /** `begun`: the callback may have been sent. */
  callback: z.enum(['begun', 'done']).exactOptional(),
  notified: z.literal(true).exactOptional(),
  /** The event is on the bus. */
  emitted: z.literal(true).exactOptional(),
  recorded: z.literal(true).exactOptional(),
  /** Failed deliveries, each with its reason. */
  warnings: texts,
});
export type Told = z.output<typeof told>;
