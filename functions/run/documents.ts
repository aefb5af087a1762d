import type { ErrorDocument } from '../errors.ts';
import type { ConfigScope } from '../harness/scope.ts';
import type { Digest } from '../oci/digest.ts';
import type { RegistryLocation } from '../oci/reference.ts';
import type { ReferrersPolicy } from '../oci/referrers.ts';
import type { Action } from '../settings/execution-input.ts';

/** What the tasks of one run write into the object store and read from there. */

/** An image that a run deals with, as the plan found it. */
export interface PlannedImage {
  /** As Harness names it, after pins: `harness/ci-addon:1.18.22`. */
  image: string;
  /** Where it comes from; absent when no source has it. */
  source?: string;
  target: string;
  /** Of the official manifest. */
  sourceDigest?: Digest;
  /** Of the manifest that belongs at the target; differs from the source's when platforms are left out. */
  digest?: Digest;
  /** `current`: the target has it. `copy`: it is to be copied. `failed`: it cannot be. */
  status: 'current' | 'copy' | 'failed';
  /** With `copy`: the image itself is there, and only what refers to it is looked for. */
  present?: true;
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
  prune: boolean;
  images: PlannedImage[];
  changes: FieldChange[];
  kept: KeptField[];
  /** Copies at the registry that nothing uses any more. */
  unused: UnusedImage[];
  warnings: string[];
  /** Why the run ends here without doing anything. */
  skipped?: string;
}

export interface UnusedImage {
  reference: string;
  digest: Digest;
}

/** How the copy of one image ended. */
export interface CopyResult {
  status: 'copied' | 'skipped' | 'failed';
  bytesTransferred: number;
  bytesSkipped: number;
  error?: ErrorDocument;
}

/** The overrides of every scope that a run is about to write, as they were before. */
export interface Snapshot {
  runId: string;
  accountId: string;
  takenAt: string;
  scopes: (ConfigScope & { overrides: Record<string, string> })[];
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
  status: 'copied' | 'skipped' | 'failed' | 'planned';
  bytesTransferred: number;
  bytesSkipped: number;
  error?: ErrorDocument;
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
  warnings?: string[];
  error?: ErrorDocument;
}
