import type { ErrorDocument } from '../errors.ts';
import type { ConfigScope } from '../harness/scope.ts';
import type { Digest } from '../oci/spec/digest.ts';
import type { RegistryLocation } from '../oci/spec/reference.ts';
import type { ReferrersPolicy } from '../oci/registry/referrers.ts';
import type { Action } from '../settings/execution-input.ts';
import type { ScanSettings } from '../settings/scan-settings.ts';
import type { Piece } from '../oci/spec/image.ts';

/** What the tasks of one run write into the object store and read from there. */

/** An image that a run deals with, as the plan found it. */
export interface PlannedImage {
  /** As Harness names it, after pins: `harness/ci-addon:1.18.22`. */
  image: string;
  /** Where it comes from; absent when no source has it. */
  source?: string;
  /** Where a copy goes on when that place fails, in order. Each may have another digest. */
  otherSources?: string[];
  target: string;
  /** Of the official manifest. */
  sourceDigest?: Digest;
  /** Of the manifest that belongs at the target; differs from the source's when platforms are left out. */
  digest?: Digest;
  /** `current`: the target has it. `copy`: it is to be copied. `failed`: it cannot be. */
  status: 'current' | 'copy' | 'failed';
  /** With `copy`: the image itself is there, and only what refers to it is looked for. */
  present?: true;
  /** The image is there under its digest and lacks these pieces. With `copy` they are copied again. */
  missing?: readonly Piece[];
  /** An override names the image, and the run switches nothing to it: its failure is a warning. */
  held?: true;
  /** Bytes of all its blobs, and of those that no other image of this run brings; known when it is to be copied. */
  size?: number;
  uniqueSize?: number;
  /** Blobs that another image of the run brings, by the repository they can be mounted from. */
  mounts?: Record<Digest, string>;
  error?: ErrorDocument;
}

/** A field of a configuration, what it is now and what it shall be. `null` stands for "no override". */
export interface FieldChange extends ConfigScope {
  field: string;
  from: string | null;
  /** What is written; `null` removes the override. */
  to: string | null;
  /** The key of the image that must be at the target first. */
  image?: string;
}

/** A field that stays as it is, and why when that is not obvious. */
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
  /** Images copied at once, at most. */
  maxConcurrency?: number;
  /** With it, only images that pass their scan are switched to. */
  scan?: ScanSettings | undefined;
  prune: boolean;
  images: PlannedImage[];
  changes: FieldChange[];
  kept: KeptField[];
  /** References at our registry that overrides named when the run began. */
  inUse?: string[];
  /** Copies at the registry that nothing uses any more. */
  unused: UnusedImage[];
  warnings: string[];
  /** What planning asked of registries. */
  registries?: RegistryCounts[];
  /** Why the run ends here without doing anything. */
  skipped?: string;
  /** The run that this one puts back, and reports. */
  recovers?: StoppedRun;
}

/** What a registry was asked, and how it took it. */
export interface RegistryCounts {
  /** `host[:port]`, as in image names. */
  host: string;
  /** By method; every try counts. */
  requests: Record<string, number>;
  retries: number;
  /** Answers 429. */
  throttles: number;
  /** How often everything to the registry was held back because it asked for that. */
  pauses: number;
  /** Blobs that the registry took from another of its repositories. */
  mounts: number;
  /** Of a registry with a pull limit (Docker Hub): the limit, and how many pulls were left at the least. */
  pulls?: { limit: number; remaining: number };
}

/** An image at the registry that is not whole. */
export interface IncompleteImage {
  reference: string;
  missing: readonly Piece[];
}

/** A copy that nothing uses. */
export interface UnusedImage {
  reference: string;
  digest: Digest;
  /** What `prune` did: deleted the image, deleted its tag alone, or left both. Absent when nothing was to be deleted. */
  status?: 'deleted' | 'untagged' | 'kept';
  /** Why it was kept. */
  reason?: string;
}

/** How the copy of one image ended. */
export interface CopyResult {
  status: 'copied' | 'repaired' | 'skipped' | 'failed';
  /** Of an image that BUILD_PUSH_TEMPLATE brought: what it is at the target. */
  digest?: Digest;
  /** Where it came from, when that is not where the plan had it from. */
  source?: string;
  bytesTransferred: number;
  bytesSkipped: number;
  error?: ErrorDocument;
  /** What refers to the image and could not be copied. */
  warnings?: string[];
  /** What was asked of registries meanwhile. */
  registries?: RegistryCounts[];
}

/** What the scans of an image mean for it. */
export interface ScanResult {
  status: 'passed' | 'failed' | 'pending';
  /** How many findings there are of each severity. */
  findings?: Record<string, number>;
  /** Ids of those that fail it, the worst first, and of those that are allowed for a time; as many as are of use. */
  failing?: string[];
  allowed?: string[];
  /** With `pending`: what is waited for. */
  detail?: string;
  /** With `failed`. */
  error?: ErrorDocument;
}

/** How far the scans have come. */
export interface Scans {
  startedAt: string;
  /** Every image that is to be switched to and is at the registry. */
  images: {
    image: string;
    target: string;
    digest: Digest;
    result: ScanResult;
    /** A hash of what the registry said last, and since when it has said just that; absent before the first look. */
    seen?: { answers: string; since: string };
  }[];
  /** Answers of GATHER_SCAN_TEMPLATE so far. */
  calls: number;
  warnings: string[];
}

/** The overrides of every scope that a run is about to write, as they were before. */
export interface Snapshot {
  runId: string;
  accountId: string;
  takenAt: string;
  scopes: (ConfigScope & { overrides: Record<string, string> })[];
}

/** The writes of a run to Harness, noted before they are sent. */
export interface Writes {
  /** The scopes that the run may have written. */
  begun: ConfigScope[];
  /** Present while a write is under way: it may still be carried out. */
  since?: string;
}

/** How far the last attempt of a rollback came. */
export interface RollbackState {
  /** When the first attempt began. */
  since: string;
  /** Scopes whose old values Harness accepted. */
  written: ConfigScope[];
  /** The fields that are not known to be as before, each with the value that it holds, if known. */
  left: string[];
  /** Why the attempt failed. */
  reason: string;
}

/** Who heard of the end of a run, so that a report that is tried again tells nobody twice. */
export interface Told {
  /** The start of the run that this is about: names of executions are free again after 90 days. */
  startedAt: string | undefined;
  /** `begun`: the callback may have been made. */
  callback?: 'begun' | 'done';
  notified?: true;
  recorded?: true;
  /** Who did not hear of it, and why. */
  warnings: string[];
}

/** A run that was stopped, of which another one puts back what it switched. */
export interface StoppedRun {
  runId: string;
  /** How its execution ended, in a clause. */
  ended: string;
  /** Its switch was verified before: it is kept. */
  verified: boolean;
}

/** What is done with one field, as reports show it. */
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
  /** With wait_for_scan, of images that were to be switched to. */
  scan?: Pick<ScanResult, 'status' | 'findings' | 'failing' | 'allowed'>;
  error?: ErrorDocument;
}

/** What people are told of a run. */
export interface Notification {
  /** Of an e-mail. */
  subject: string;
  text: string;
  /** What subscriptions can filter by. */
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
    /** Images that were there and lacked something, which was copied again. */
    repaired: number;
    skipped: number;
    failed: number;
    bytesTransferred: number;
    bytesSkipped: number;
    durationMs: number;
  };
  /** Why a run was skipped. */
  reason?: string;
  /** Copies that nothing uses any more; deleted ones after a prune. */
  unused?: UnusedImage[];
  /** Images that lacked something when they were looked at, with every piece. */
  incomplete?: IncompleteImage[];
  warnings?: string[];
  /** What planning and copying asked of each registry. */
  registries?: RegistryCounts[];
  error?: ErrorDocument;
}
