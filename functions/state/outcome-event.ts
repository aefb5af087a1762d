import * as z from 'zod';
import { actions } from '../settings/input-schema.ts';
import { connectorResult } from './documents.ts';

/** The `source` and `detail-type` of the event that EventBridge gets at the end of each run. */
export const outcomeSource = 'harness-ci-image-factory';
export const outcomeDetailType = 'Run Ended';

/** The largest number of items in a list, and of characters in a text. They keep an event below 256 KiB. */
export const itemsLimit = 20;
export const textLimit = 1_000;
/** The largest number of characters in an address: half of one is of no use. */
export const addressLimit = 4_000;

const outcomes = ['succeeded', 'copied-only', 'skipped', 'failed', 'rolled-back', 'left-switched'] as const;
/** The end of a run, in one word. */
export type Outcome = (typeof outcomes)[number];

const text = z.string().max(textLimit);
const address = z.url().max(addressLimit);
const count = z.int().min(0);

/** The `detail` of the event. Later releases may add keys. */
export const outcomeDetail = z.object({
  version: z.literal(1),
  factory: text.describe(
    'The name of the factory, which is also that of its state machine and the dimension of its metrics.',
  ),
  runId: text.describe('The name of the execution.'),
  startedAt: z.iso.datetime().optional().describe('The start of the run. Absent when its input was refused.'),
  action: z.enum(actions),
  outcome: z
    .enum(outcomes)
    .describe(
      'copied-only: a sync that was not to switch Harness, or whose schedule leaves the first switch to a person. rolled-back: the run failed, and Harness is as it was before. left-switched: the rollback failed too. failed: the run failed before it changed Harness, or in an action that changes nothing.',
    ),
  reason: text.optional().describe('The reason for a skipped run, or for a switch that a schedule leaves to a person.'),
  error: z.object({ name: text, message: text, hint: text }).optional(),
  images: z.object({
    total: count,
    copied: count,
    repaired: count,
    skipped: count.describe('Images that were there already.'),
    failed: count,
    failures: z
      .array(z.object({ image: text, error: text.optional().describe('The name of the error.') }))
      .max(itemsLimit)
      .describe('The first images that failed.'),
  }),
  fields: z.object({
    changed: count.describe('Fields of Harness that the run changed, or put back.'),
    rejected: count.describe('Fields that Harness refused to change.'),
    rolledBack: count,
  }),
  connector: z
    .object({ reference: text, before: text, after: text, status: connectorResult.shape.status })
    .optional()
    .describe("The address of the connector of Harness's images, when the run changes it."),
  bytesTransferred: count,
  durationMs: count,
  warnings: z.array(text).max(itemsLimit).describe('The first warnings.'),
  report: text.describe('The location of the whole report.'),
  console: z
    .object({
      execution: address.describe('The execution of the run.'),
      page: address.optional().describe('The page of the run in its bucket.'),
    })
    .optional()
    .describe(
      'Addresses in the console of AWS, which asks who reads them. Absent in partitions whose console has no known host.',
    ),
});
export type OutcomeDetail = z.output<typeof outcomeDetail>;
