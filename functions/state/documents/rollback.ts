import * as z from 'zod';
import { connectorChange } from './connector.ts';
import { configScope, text, texts, time } from './values.ts';

/** The documents that a rollback reads and writes. */

/** The account whose lock a run requested. */
export const lock = z.object({ accountId: text });

/** Everything that a run is about to write in Harness, as it was before the run. */
export const snapshot = z.object({
  runId: text,
  accountId: text,
  takenAt: text,
  scopes: z.array(configScope.extend({ overrides: z.record(text, text) })),
  /** Set when the run is about to change the connector: the change, and the whole connector before it. */
  connector: connectorChange.extend({ document: z.record(text, z.unknown()) }).exactOptional(),
});
export type Snapshot = z.output<typeof snapshot>;

/** The writes of a run to Harness, recorded before they are sent. */
export const writes = z.object({
  /** The scopes that the run may have written. */
  begun: z.array(configScope),
  /** The run may have written the connector. */
  connector: z.literal(true).exactOptional(),
  /** The start of a write in progress, which Harness may still carry out. */
  since: time.exactOptional(),
});
export type Writes = z.output<typeof writes>;
export const verified = z.object({ at: time });

/** The progress of a rollback after its last attempt. */
export const rollbackState = z.object({
  /** The start of the first attempt. */
  since: time,
  /** Scopes whose old values Harness accepted. */
  written: z.array(configScope),
  /** Fields that may differ from before the run, each with its current value, if known. */
  left: texts,
  reason: text,
});
export type RollbackState = z.output<typeof rollbackState>;
export const recovery = z.object({ by: text });

/** A run that was stopped, whose changes another run rolls back. */
export const stoppedRun = z.object({
  runId: text,
  /** The end of its execution, as a clause. */
  ended: text,
  /** True when the switch was verified before the stop: then it is kept. */
  verified: z.boolean(),
});
export type StoppedRun = z.output<typeof stoppedRun>;
