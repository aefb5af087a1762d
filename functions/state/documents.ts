import type { ErrorDocument } from '../errors.ts';
import type { ConfigScope } from '../harness/scope.ts';
import type { Digest } from '../oci/spec/digest.ts';
import type { RegistryLocation } from '../oci/spec/reference.ts';
import type { ReferrersPolicy } from '../oci/registry/referrers.ts';
import type { Action } from '../settings/execution-input.ts';
import type { ScanSettings } from '../settings/scan-settings.ts';
import type { Piece } from '../oci/spec/image.ts';

/** The documents that the tasks of one run write into the object store and read from it. */

/** An image of a run, as the plan found it. */
export interface PlannedImage {
  /** As Harness names it, after pins: `harness/ci-addon:1.18.22`. */
  image: string;
  /** The source; absent when no source has the image. */
  source?: string;
  /** Sources that a copy tries in order when the first one fails. Each may have another digest. */
  otherSources?: string[];
  target: string;
  /** The digest of the official manifest. */
  sourceDigest?: Digest;
  /** The digest of the manifest for the target. It differs from the source's when platforms are left out. */
  digest?: Digest;
  /** `current`: the target has the image. `copy`: the run copies it. `failed`: the run cannot copy it. */
  status: 'current' | 'copy' | 'failed';
  /** Set with `copy` when the target has the image, and the run looks for its referrers only. */
  present?: true;
  /** Pieces that the image lacks at the target. With `copy`, the run copies them again. */
  missing?: readonly Piece[];
  /** Set when an override names the image and the run switches nothing to it: a failure is a warning. */
  held?: true;
  /** Bytes of all blobs, and of the blobs that no other image of this run has. Known with `copy`. */
  size?: number;
  uniqueSize?: number;
  /** Blobs that another image of the run copies: digest → the repository to mount it from. */
  mounts?: Record<Digest, string>;
  error?: ErrorDocument;
}

/** A change of one field of a configuration. `null` stands for "no override". */
export interface FieldChange extends ConfigScope {
  field: string;
  from: string | null;
  /** The value to write; `null` removes the override. */
  to: string | null;
  /** The image that must be at the target first. */
  image?: string;
}

/** A field that is not changed, with the reason where it is not obvious. */
export interface KeptField extends ConfigScope {
  field: string;
  value: string | null;
  image?: string;
  reason?: string;
}

export interface Plan {
  runId: string;
  action: Action;
  startedAt: string;
  registry: RegistryLocation;
  modifyDefault: boolean;
  onPartialFailure: 'abort' | 'update-succeeded';
  referrers: ReferrersPolicy;
  /** `off` when the registry is set to mount no blobs. */
  mounts?: 'off';
  /** The largest number of images copied at the same time. */
  maxConcurrency?: number;
  /** When set, the run switches only to images that pass their scan. */
  scan?: ScanSettings | undefined;
  prune: boolean;
  images: PlannedImage[];
  changes: FieldChange[];
  kept: KeptField[];
  /** References at our registry that overrides named when the run began. */
  inUse?: string[];
  /** Copies at the registry that nothing uses any longer. */
  unused: UnusedImage[];
  warnings: string[];
  /** Requests of the plan to registries. */
  registries?: RegistryCounts[];
  /** The reason, when the run ends after the plan without doing anything. */
  skipped?: string;
  /** The stopped run that this run rolls back and reports. */
  recovers?: StoppedRun;
}

/** Requests to one registry, and its limits. */
export interface RegistryCounts {
  /** `host[:port]`, as in image names. */
  host: string;
  /** Method → number of requests, retries included. */
  requests: Record<string, number>;
  retries: number;
  /** Responses with status 429. */
  throttles: number;
  /** Number of pauses that the registry requested and that held back every request. */
  pauses: number;
  /** Blobs that the registry mounted from another of its repositories. */
  mounts: number;
  /** The pull limit of a registry that has one (Docker Hub), and the fewest pulls that remained. */
  pulls?: { limit: number; remaining: number };
}

/** An image at the registry that lacks pieces. */
export interface IncompleteImage {
  reference: string;
  missing: readonly Piece[];
}

/** A copy that nothing uses. */
export interface UnusedImage {
  reference: string;
  digest: Digest;
  /** The outcome of `prune`: it deleted the image, deleted the tag alone, or kept both. Absent without `prune`. */
  status?: 'deleted' | 'untagged' | 'kept';
  /** The reason for keeping the copy. */
  reason?: string;
}

/** The result of copying one image. */
export interface CopyResult {
  status: 'copied' | 'repaired' | 'skipped' | 'failed';
  /** The digest at the target of an image that BUILD_PUSH_TEMPLATE built. */
  digest?: Digest;
  /** The source, when it is not the one in the plan. */
  source?: string;
  bytesTransferred: number;
  bytesSkipped: number;
  error?: ErrorDocument;
  /** Referrers of the image that could not be copied. */
  warnings?: string[];
  /** Requests of the copy to registries. */
  registries?: RegistryCounts[];
}

/** The verdict on the scans of one image. */
export interface ScanResult {
  status: 'passed' | 'failed' | 'pending';
  /** Severity → number of findings. */
  findings?: Record<string, number>;
  /** The first ids of findings that fail the image, the worst first, and of findings that are allowed for a time. */
  failing?: string[];
  allowed?: string[];
  /** The missing result, with `pending`. */
  detail?: string;
  /** The error, with `failed`. */
  error?: ErrorDocument;
}

/** The progress of the scans. */
export interface Scans {
  startedAt: string;
  /** Every image at the registry that the run would switch to. */
  images: {
    image: string;
    target: string;
    digest: Digest;
    result: ScanResult;
    /**
     * A hash of the registry's last response, and the time since which it is the same. Absent before the first check.
     */
    seen?: { answers: string; since: string };
  }[];
  /** Number of responses of GATHER_SCAN_TEMPLATE so far. */
  calls: number;
  warnings: string[];
}

/** The overrides of every scope that a run is about to write, as they were before the run. */
export interface Snapshot {
  runId: string;
  accountId: string;
  takenAt: string;
  scopes: (ConfigScope & { overrides: Record<string, string> })[];
}

/** The writes of a run to Harness, recorded before they are sent. */
export interface Writes {
  /** The scopes that the run may have written. */
  begun: ConfigScope[];
  /** The start of a write in progress, which Harness may still carry out. */
  since?: string;
}

/** The progress of a rollback after its last attempt. */
export interface RollbackState {
  /** The start of the first attempt. */
  since: string;
  /** Scopes whose old values Harness accepted. */
  written: ConfigScope[];
  /** Fields that may differ from before the run, each with its current value, if known. */
  left: string[];
  /** The reason for the failure of the attempt. */
  reason: string;
}

/** Deliveries of the report of a run, so that a retried report repeats none. */
export interface Told {
  /** The start of the run. Names of executions can be reused after 90 days. */
  startedAt: string | undefined;
  /** `begun`: the callback may have been sent. */
  callback?: 'begun' | 'done';
  notified?: true;
  recorded?: true;
  /** Failed deliveries, each with its reason. */
  warnings: string[];
}

/** A run that was stopped, whose changes another run rolls back. */
export interface StoppedRun {
  runId: string;
  /** The end of its execution, as a clause. */
  ended: string;
  /** True when the switch was verified before the stop: then it is kept. */
  verified: boolean;
}

/** The outcome of one field in a report. */
export interface ConfigResult extends ConfigScope {
  field: string;
  from: string | null;
  to: string | null;
  status: 'updated' | 'reset' | 'unchanged' | 'rejected' | 'rolled-back' | 'planned';
  reason?: string;
}

export interface ImageResult {
  image: string;
  source: string | null;
  target: string;
  digest: string | null;
  status: 'copied' | 'repaired' | 'skipped' | 'failed' | 'planned';
  bytesTransferred: number;
  bytesSkipped: number;
  /** The verdict of wait_for_scan on an image that the run would switch to. */
  scan?: Pick<ScanResult, 'status' | 'findings' | 'failing' | 'allowed'>;
  error?: ErrorDocument;
}

/** A message to people about a run. */
export interface Notification {
  /** The subject of an e-mail. */
  subject: string;
  text: string;
  /** Attributes that subscriptions can filter by. */
  attributes: Readonly<Record<string, string>>;
}

/** The result of a run: state machine output, report file and `--json` output. */
export interface Report {
  status: 'SUCCEEDED' | 'FAILED' | 'SKIPPED';
  action: Action;
  runId: string;
  images: ImageResult[];
  config: ConfigResult[];
  totals: {
    images: number;
    copied: number;
    /** Images at the target whose missing pieces were copied again. */
    repaired: number;
    skipped: number;
    failed: number;
    bytesTransferred: number;
    bytesSkipped: number;
    durationMs: number;
  };
  /** The reason for a skipped run. */
  reason?: string;
  /** Copies that nothing uses any longer, with the outcome of a prune. */
  unused?: UnusedImage[];
  /** Images that lacked pieces when they were checked, with every missing piece. */
  incomplete?: IncompleteImage[];
  warnings?: string[];
  /** Requests of the plan and of the copies to each registry. */
  registries?: RegistryCounts[];
  error?: ErrorDocument;
}
