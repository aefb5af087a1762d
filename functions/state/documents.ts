import * as z from 'zod';
import type { ErrorDocument } from '../errors.ts';
import type { ConnectorAddress } from '../harness/connector.ts';
import { harnessModules, infrastructureTypes } from '../harness/scope.ts';
import { type Digest, isDigest } from '../oci/spec/digest.ts';
import type { Piece } from '../oci/spec/image.ts';
import { actions } from '../settings/execution-input.ts';
import { failingSeverities, type ScanSettings } from '../settings/scan-settings.ts';
import { digest, reference } from './content.ts';

/** The documents that the tasks of one run write into the object store and read from it, as their schemas define them. */

const text = z.string();
const number = z.number();
const texts = z.array(text);
const counts = z.record(text, number);
const time = z.iso.datetime();

const configScope = z.object({ module: z.enum(harnessModules), infrastructureType: z.enum(infrastructureTypes) });

const connectorAddress: z.ZodType<ConnectorAddress> = z.object({
  dockerRegistryUrl: text,
  providerType: text.exactOptional(),
});

/** An error as an earlier run reported it. Its name may be one that this release does not use. */
const errorDocument: z.ZodType<ErrorDocument> = z.object({
  name: text,
  message: text,
  hint: text,
  problems: z.array(z.object({ path: text, found: text, allowed: text, reason: text.exactOptional() })).exactOptional(),
});

const piece: z.ZodType<Piece> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('manifest'), digest }),
  z.object({ kind: z.literal('blob'), digest, size: number }),
]);

/** Blobs that another image of the run copies, each with the repository to mount it from. Stored as an object. */
const mounts = z.codec(
  z.record(digest, text),
  z.custom<ReadonlyMap<Digest, string>>((value) => value instanceof Map),
  {
    decode: (stored) =>
      new Map(
        Object.keys(stored)
          .filter(isDigest)
          .map((blob) => [blob, stored[blob] ?? '']),
      ),
    encode: (value) => Object.fromEntries(value),
  },
);

const imageOfRun = z.object({
  /** As Harness names it, after pins: `harness/ci-addon:1.18.22`. */
  image: text,
  /** The entry of the input whose range the image was chosen for: `plugins/email:^1`. */
  requested: text.exactOptional(),
  target: reference,
  /** The source; absent when no source has the image. */
  source: reference.exactOptional(),
  /** Sources that a copy tries in order when the first one fails. Each may have another digest. */
  otherSources: z.array(reference).exactOptional(),
  /** The digest of the official manifest. */
  sourceDigest: digest.exactOptional(),
  /** The digest of the manifest for the target. It differs from the source's when platforms are left out. */
  digest: digest.exactOptional(),
  /** Pieces that the image lacks at the target. */
  missing: z.array(piece).readonly().exactOptional(),
  /** Set when an override names the image and the run switches nothing to it: a failure is a warning. */
  held: z.literal(true).exactOptional(),
});

const currentImage = imageOfRun.extend({
  status: z.literal('current'),
  digest,
  /** Bytes of all blobs, when the plan read them. */
  size: number.exactOptional(),
});
export type CurrentImage = z.output<typeof currentImage>;

/** An image that the run copies, or repairs when pieces are missing. Without a digest, BUILD_PUSH_TEMPLATE builds it. */
const copiedImage = imageOfRun.extend({
  status: z.literal('copy'),
  source: reference,
  /** Set when the target has the image, and the run looks for its referrers only. */
  present: z.literal(true).exactOptional(),
  /** Bytes of all blobs, and of the blobs that no other image of this run has. */
  size: number.exactOptional(),
  uniqueSize: number.exactOptional(),
  mounts: mounts.exactOptional(),
});
export type CopiedImage = z.output<typeof copiedImage>;

const failedImage = imageOfRun.extend({ status: z.literal('failed'), error: errorDocument });

/** An image of a run, as the plan found it. Decodes names and mounts to values. */
export const plannedImage = z.discriminatedUnion('status', [currentImage, copiedImage, failedImage]);
export type PlannedImage = z.output<typeof plannedImage>;

/** A change of one field of a configuration. `null` stands for "no override". */
const fieldChange = configScope.extend({
  field: text,
  from: text.nullable(),
  /** The value to write; `null` removes the override. */
  to: text.nullable(),
  /** The image that must be at the target first. */
  image: text.exactOptional(),
});
export type FieldChange = z.output<typeof fieldChange>;

/** A field that is not changed, with the reason where it is not obvious. */
const keptField = configScope.extend({
  field: text,
  value: text.nullable(),
  image: text.exactOptional(),
  reason: text.exactOptional(),
});
export type KeptField = z.output<typeof keptField>;

/** The steps of a run, named after their tasks. */
const phaseNames = [
  'plan',
  'copy',
  'scan',
  'gate',
  'snapshot',
  'update-config',
  'reset-config',
  'verify',
  'prune',
  'rollback',
] as const;
export type PhaseName = (typeof phaseNames)[number];

/** The time that one step of a run took, by the clock of its task. */
const phase = z.object({ name: z.enum(phaseNames), startedAt: time, endedAt: time });
export type Phase = z.output<typeof phase>;
export const phases = z.array(phase);

export const changes = z.object({ changes: z.array(fieldChange), held: z.array(keptField) });
export const lock = z.object({ accountId: text });

/** Harness's default for a field whose override is behind it. */
const fieldDefault = configScope.extend({
  field: text,
  /** The official image: `harness/ci-addon:1.18.27`. */
  official: text,
  /** The version that Harness's own checks name as more than two minor versions old, and the image of an old major one. */
  outdated: text.exactOptional(),
  deprecated: text.exactOptional(),
});
export type FieldDefault = z.output<typeof fieldDefault>;

/** A version that Harness is not switched to yet. */
const soakingVersion = z.object({
  image: text,
  /** The digest of the official manifest. */
  digest,
  /** The first day of the switch. */
  until: text,
  /** The fields that Harness offers it for, or offered it for since the version in use: `ci K8 addonTag`. */
  fields: texts,
});
export type SoakingVersion = z.output<typeof soakingVersion>;

/** An image that pods would pull through the connector of Harness's images. */
const pull = z.object({
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

/** A change of the address of the connector of Harness's images. */
const connectorChange = z.object({
  /** The reference in a user's notation: `account.harnessImage`. */
  reference: text,
  ref: z.object({ identifier: text, orgIdentifier: text.exactOptional(), projectIdentifier: text.exactOptional() }),
  from: connectorAddress,
  to: connectorAddress,
});
export type ConnectorChange = z.output<typeof connectorChange>;

/** The reason why a sync or restore does not switch Harness, and the way out. */
const blockedSwitch = z.object({
  reason: text,
  /** The steps after the copies, in an order without an outage. */
  steps: texts,
  /** The images that pods would miss through the address that `manage_connector` would set. */
  missing: z.array(pull).exactOptional(),
});
export type BlockedSwitch = z.output<typeof blockedSwitch>;

/** The reason why a scheduled run did not switch Harness, in sentences, and the command that switches it. */
const awaitedSwitch = z.object({ reason: text, command: text });

const registryCounts = z.object({
  /** `host[:port]`, as in image names. */
  host: text,
  /** Method → number of requests, retries included. */
  requests: counts,
  retries: number,
  /** Responses with status 429. */
  throttles: number,
  /** Number of pauses that the registry requested and that held back every request. */
  pauses: number,
  /** Blobs that the registry mounted from another of its repositories. */
  mounts: number,
  /** The pull limit of a registry that has one (Docker Hub), and the fewest pulls that remained. */
  pulls: z.object({ limit: number, remaining: number }).exactOptional(),
});
export type RegistryCounts = z.output<typeof registryCounts>;

/** An image at the registry that lacks pieces. */
const incompleteImage = z.object({ reference: text, missing: z.array(piece).readonly() });
export type IncompleteImage = z.output<typeof incompleteImage>;
export const incomplete = z.array(incompleteImage);

/** A copy that nothing uses. */
const unusedImage = z.object({
  reference: text,
  digest,
  /** The outcome of `prune`: it deleted the image, deleted the tag alone, or kept both. Absent without `prune`. */
  status: z.enum(['deleted', 'untagged', 'kept']).exactOptional(),
  /** The reason for keeping the copy. */
  reason: text.exactOptional(),
});
export type UnusedImage = z.output<typeof unusedImage>;
export const pruned = z.array(unusedImage);

export const copyResult = z.object({
  status: z.enum(['copied', 'repaired', 'skipped', 'failed']),
  /** The digest at the target of an image that BUILD_PUSH_TEMPLATE built. */
  digest: digest.exactOptional(),
  /** The source, when it is not the one in the plan. */
  source: text.exactOptional(),
  bytesTransferred: number,
  bytesSkipped: number,
  startedAt: time.exactOptional(),
  endedAt: time.exactOptional(),
  /** The sources that were tried, each once for every call. */
  attempts: z.int().exactOptional(),
  error: errorDocument.exactOptional(),
  /** Referrers of the image that could not be copied. */
  warnings: texts.exactOptional(),
  registries: z.array(registryCounts).exactOptional(),
});
export type CopyResult = z.output<typeof copyResult>;

const copyTotals = z.object({ bytesTransferred: z.int(), bytesSkipped: z.int() });

/** The state that one call of an image's copy hands to the next. */
export const copyState = z.object({
  /** The source in use, when it is not the first. */
  source: text.exactOptional(),
  image: copyTotals,
  /** The image has arrived. Only its referrers remain. */
  arrived: z.literal(true).exactOptional(),
  referrers: copyTotals,
  /** The start of the first call, and the sources tried so far. Absent in states of release 0.1.0. */
  startedAt: time.exactOptional(),
  attempts: z.int().exactOptional(),
  /** Bytes done by the end of the last call. */
  done: z.int(),
  /** Consecutive calls without progress, and calls in total that ended with fewer bytes than they began with. */
  idleCalls: z.int(),
  setbacks: z.int(),
  registries: z.array(registryCounts),
});
export type CopyState = z.output<typeof copyState>;

export const build = z.object({ startedAt: time });

const scanResult = z.object({
  status: z.enum(['passed', 'failed', 'pending']),
  /** Severity → number of findings. */
  findings: counts.exactOptional(),
  /** The first ids of findings that fail the image, the worst first, and of findings that are allowed for a time. */
  failing: texts.exactOptional(),
  allowed: texts.exactOptional(),
  /** The missing result, with `pending`. */
  detail: text.exactOptional(),
  error: errorDocument.exactOptional(),
});
export type ScanResult = z.output<typeof scanResult>;

export const scans = z.object({
  startedAt: time,
  /** Every image at the registry that the run would switch to. */
  images: z.array(
    z.object({
      image: text,
      target: text,
      digest,
      result: scanResult,
      /**
       * A hash of the registry's last response, and the time since which it is the same. Absent before the first check.
       */
      seen: z.object({ answers: text, since: time }).exactOptional(),
    }),
  ),
  /** Number of responses of GATHER_SCAN_TEMPLATE so far. */
  calls: number,
  warnings: texts,
});
export type Scans = z.output<typeof scans>;

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

/** A run that was stopped, whose changes another run rolls back. */
const stoppedRun = z.object({
  runId: text,
  /** The end of its execution, as a clause. */
  ended: text,
  /** True when the switch was verified before the stop: then it is kept. */
  verified: z.boolean(),
});
export type StoppedRun = z.output<typeof stoppedRun>;

const scanSettings: z.ZodType<ScanSettings> = z.object({
  failOn: z.enum(failingSeverities),
  allow: z.array(z.object({ id: text, until: text, reason: text.optional(), images: texts.optional() })),
  deadlineMinutes: number,
});

/** What starts runs. An `execution` is started in the console, by the CLI or by another service of AWS. */
const triggers = ['schedule', 'webhook', 'execution', 'command'] as const;

export const plan = z.object({
  runId: text,
  action: z.enum(actions),
  startedAt: text,
  /** The execution input as understood. Absent in plans that no input describes, and in those of release 0.1.0. */
  input: z.record(text, z.unknown()).exactOptional(),
  /** Who or what started the run, where the input says so. */
  startedBy: text.exactOptional(),
  trigger: z.enum(triggers).exactOptional(),
  accountId: text.exactOptional(),
  registry: z.object({ registry: text, prefix: text }),
  modifyDefault: z.boolean(),
  onPartialFailure: z.enum(['abort', 'update-succeeded']),
  referrers: z.enum(['off', 'signatures', 'all']),
  /** `off` when the registry is set to mount no blobs. */
  mounts: z.literal('off').exactOptional(),
  /** The largest number of images copied at the same time. */
  maxConcurrency: number.exactOptional(),
  /** When set, the run switches only to images that pass their scan. */
  scan: scanSettings.optional(),
  prune: z.boolean(),
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
  /** The stopped run that this run rolls back and reports. */
  recovers: stoppedRun.exactOptional(),
});
export type Plan = z.output<typeof plan>;

/** The outcome of one field in a report. */
const configResult = configScope.extend({
  field: text,
  from: text.nullable(),
  to: text.nullable(),
  status: z.enum(['updated', 'reset', 'unchanged', 'rejected', 'rolled-back', 'planned']),
  reason: text.exactOptional(),
  /** Set when the override is older than Harness's default. */
  behind: z
    .object({
      /** `2 minor versions` */
      by: text,
      /** Harness's default. */
      official: text,
      /** The result of Harness's own check, when it names the override. */
      harness: z.enum(['outdated', 'deprecated']).exactOptional(),
    })
    .exactOptional(),
});
export type ConfigResult = z.output<typeof configResult>;
export const config = z.array(configResult);

/** The outcome of a change of the connector. */
export const connectorResult = z.object({
  reference: text,
  /** The address before the run, and at its end; with `planned`, the address that a `sync` sets. */
  before: text,
  after: text,
  status: z.enum(['planned', 'changed', 'unchanged', 'rolled-back']),
});
export type ConnectorResult = z.output<typeof connectorResult>;

/** The state of the connector that a run has written. */
export const connectorState = connectorResult.pick({ status: true, after: true });

const imageResult = z.object({
  image: text,
  /** The entry of the input whose range the image was chosen for. */
  requested: text.exactOptional(),
  source: text.nullable(),
  target: text,
  digest: text.nullable(),
  status: z.enum(['copied', 'repaired', 'skipped', 'failed', 'planned']),
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

/** A message to people about a run. */
export interface Notification {
  subject: string;
  text: string;
  /** Attributes that subscriptions can filter by. */
  attributes: Readonly<Record<string, string>>;
}

/** The result of a run: state machine output, report file and `--json` output. */
export const report = z.object({
  status: z.enum(['SUCCEEDED', 'FAILED', 'SKIPPED']),
  action: z.enum(actions),
  runId: text,
  /** The release that wrote the report. This field and those down to `phases` are absent in reports of release 0.1.0. */
  factory: text.exactOptional(),
  startedAt: time.exactOptional(),
  endedAt: time.exactOptional(),
  trigger: z.enum(triggers).exactOptional(),
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
  /** Who or what started the run, where the input says so. The webhook with IAM enters the caller's ARN. */
  startedBy: text.exactOptional(),
  images: z.array(imageResult),
  config,
  /** The address of the connector, when the run changes it. */
  connector: connectorResult.exactOptional(),
  totals: z.object({
    images: number,
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
