import * as z from 'zod';
import { actions } from '../../settings/input-schema.ts';
import { carriedBundle, neededImage } from './carried.ts';
import { checks } from './checks.ts';
import { connectorResult } from './connector.ts';
import { config, soakingVersion } from './fields.ts';
import { awaitedSwitch, blockedSwitch, pull } from './held-switch.ts';
import { registryCounts } from './registry-counts.ts';
import { incomplete, pruned } from './registry-images.ts';
import { phases, trigger } from './run.ts';
import { scanResult } from './scans.ts';
import { errorDocument, number, text, texts, time } from './values.ts';

const imageResult = z.object({
  image: text,
  /** The entry of the input whose range the image was chosen for. */
  requested: text.exactOptional(),
  source: text.nullable(),
  target: text,
  digest: text.nullable(),
  status: z.enum(['copied', 'exported', 'imported', 'repaired', 'skipped', 'failed', 'planned']),
  bytesTransferred: number,
  bytesSkipped: number,
  /** The start of the copy and its duration, the pauses between its calls included. Absent without a copy. */
  startedAt: time.exactOptional(),
  durationMs: number.exactOptional(),
  /** The sources that were tried, each once for every call. */
  attempts: z.int().exactOptional(),
  /** The verdict of wait_for_scan on an image that the run would switch to. */
  scan: scanResult.pick({ status: true, findings: true, failing: true, allowed: true }).exactOptional(),
  error: errorDocument.exactOptional(),
});
export type ImageResult = z.output<typeof imageResult>;

/** The result of a run: state machine output, report file and `--json` output. */
export const report = z.object({
  status: z.enum(['SUCCEEDED', 'FAILED', 'SKIPPED']),
  action: z.enum(actions),
  runId: text,
  /** The release that wrote the report. This field and those down to `phases` are absent in reports of release 0.1.0. */
  factory: text.exactOptional(),
  startedAt: time.exactOptional(),
  endedAt: time.exactOptional(),
  /** The next start by the schedule of the deployment, as it was deployed. Absent without a schedule. */
  nextRun: time.exactOptional(),
  trigger: trigger.exactOptional(),
  /** The Harness account, and the registry with its prefix. Absent when the input was refused. */
  accountId: text.exactOptional(),
  registry: text.exactOptional(),
  /**
   * Harness after the run. `switched`: the run wrote it, and its writes stay. `rolled-back`: it is as it was before.
   * `unknown`: the rollback failed.
   */
  harness: z.enum(['switched', 'unchanged', 'rolled-back', 'unknown']).exactOptional(),
  phases: phases.exactOptional(),
  /** The execution input as understood. Absent when the input was refused. */
  input: z.record(text, z.unknown()).exactOptional(),
  /** The person or program that started the run, where the input says so. The webhook with IAM enters the caller's ARN. */
  startedBy: text.exactOptional(),
  /** The findings of `doctor`, in the order to read them. */
  checks: checks.exactOptional(),
  images: z.array(imageResult),
  config,
  /** The address of the connector, when the run changes it. */
  connector: connectorResult.exactOptional(),
  totals: z.object({
    images: number,
    /** Exported and imported images count as copied. */
    copied: number,
    /** Images at the target whose missing pieces were copied again. Absent in reports of release 0.1.0. */
    repaired: number.exactOptional(),
    skipped: number,
    failed: number,
    bytesTransferred: number,
    bytesSkipped: number,
    durationMs: number,
  }),
  reason: text.exactOptional(),
  /** The bundle that the run wrote, read or checked. */
  bundle: carriedBundle.exactOptional(),
  /** Images that fields of Harness need, and that the bundle lacks. Their fields are left alone. */
  needed: z.array(neededImage).exactOptional(),
  /** Copies that nothing uses any longer, with the outcome of a prune. */
  unused: pruned.exactOptional(),
  /** Versions that Harness is not switched to yet, with the first day of the switch. */
  soaking: z.array(soakingVersion).exactOptional(),
  /** Images that lacked pieces when they were checked, with every missing piece. */
  incomplete: incomplete.exactOptional(),
  /** The images that Harness would pull after this run, with the outcome of its copies. */
  pulls: z.array(pull).exactOptional(),
  /** The reason why Harness is not switched, and the steps that allow it. A `sync` or `restore` then fails. */
  blocked: blockedSwitch.exactOptional(),
  /** Set when a scheduled run leaves the switch to a person. Such fields are `planned`. */
  awaiting: awaitedSwitch.exactOptional(),
  warnings: texts.exactOptional(),
  /** Requests of the plan and of the copies to each registry. */
  registries: z.array(registryCounts).exactOptional(),
  error: errorDocument.exactOptional(),
  /** The error that led to the rollback, when the rollback failed too: then `error` is that of the rollback. */
  firstError: errorDocument.exactOptional(),
});
export type Report = z.output<typeof report>;
