import * as z from 'zod';
import { actions } from '../../settings/input-schema.ts';
import { failingSeverities, type ScanSettings } from '../../settings/scan-settings.ts';
import { bundlePolicy, carriedBundle, neededImage } from './carried.ts';
import { checks } from './checks.ts';
import { connectorChange } from './connector.ts';
import { fieldChange, fieldDefault, keptField, soakingVersion } from './fields.ts';
import { awaitedSwitch, blockedSwitch, pull } from './held-switch.ts';
import { plannedImage } from './image.ts';
import { registryCounts } from './registry-counts.ts';
import { pruned } from './registry-images.ts';
import { stoppedRun } from './rollback.ts';
import { trigger } from './run.ts';
import { number, text, texts } from './values.ts';

const scanSettings: z.ZodType<ScanSettings> = z.object({
  failOn: z.enum(failingSeverities),
  allow: z.array(z.object({ id: text, until: text, reason: text.optional(), images: texts.optional() })),
  deadlineMinutes: number,
});

/** The settings of a run that its later tasks read from the plan. */
export const settingsInPlan = z.object({
  action: z.enum(actions),
  /** The execution input as understood. Absent in plans that no input describes, and in those of release 0.1.0. */
  input: z.record(text, z.unknown()).exactOptional(),
  /** The person or program that started the run, where the input says so. */
  startedBy: text.optional(),
  registry: z.object({ registry: text, prefix: text }),
  modifyDefault: z.boolean(),
  onPartialFailure: z.enum(['abort', 'update-succeeded']),
  referrers: z.enum(['off', 'signatures', 'all']),
  /** The largest number of images copied at the same time. */
  maxConcurrency: number.exactOptional(),
  /** When set, the run switches only to images that pass their scan. */
  scan: scanSettings.optional(),
  prune: z.boolean(),
});

export const plan = settingsInPlan.extend({
  runId: text,
  startedAt: text,
  trigger: trigger.exactOptional(),
  accountId: text.exactOptional(),
  /** `off` when the registry is set to mount no blobs. */
  mounts: z.literal('off').exactOptional(),
  images: z.array(plannedImage),
  changes: z.array(fieldChange),
  kept: z.array(keptField),
  /** References at our registry that overrides named when the run began. */
  inUse: texts.exactOptional(),
  /** Copies at the registry that nothing uses any longer. */
  unused: pruned,
  /** Versions that soak, with `soak_days`. */
  soaking: z.array(soakingVersion).exactOptional(),
  /** Harness's defaults for the fields that are behind them before or after the run. */
  ahead: z.array(fieldDefault).exactOptional(),
  warnings: texts,
  /** The images that Harness would pull after this run. Absent when the connector cannot be read. */
  pulls: z.array(pull).exactOptional(),
  /** The change of the connector, with `manage_connector` or when a restore undoes one. */
  connector: connectorChange.exactOptional(),
  /** Set when the run must not switch Harness. */
  blocked: blockedSwitch.exactOptional(),
  /** Changes that a scheduled run leaves to a person. */
  awaiting: awaitedSwitch.extend({ changes: z.array(fieldChange) }).exactOptional(),
  registries: z.array(registryCounts).exactOptional(),
  /** The reason, when the run ends after the plan without doing anything. */
  skipped: text.exactOptional(),
  /** The bundle of an export, an import, or a plan or check of one. */
  bundle: carriedBundle.exactOptional(),
  /** Set for an export. */
  policy: bundlePolicy.exactOptional(),
  /** Images of fields that the bundle lacks. */
  needed: z.array(neededImage).exactOptional(),
  /** Set when the run carries images only, and does not speak to Harness. */
  withoutHarness: z.literal(true).exactOptional(),
  /** The findings of `doctor`. */
  checks: checks.exactOptional(),
  /** The stopped run that this run rolls back and reports. */
  recovers: stoppedRun.exactOptional(),
});
export type Plan = z.output<typeof plan>;
