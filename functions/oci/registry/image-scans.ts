import type { Digest } from '../spec/digest.ts';

/** A registry that scans the images it holds. */
export interface ImageScans {
  /**
   * Returns the findings for one manifest, except an index, which is not scanned itself. Starts the scan where the
   * caller must. Throws `ImageNotFound`, and what the registry's other calls throw.
   */
  look(repository: string, digest: Digest, options?: LookOptions): Promise<ScanAnswer>;
}

export interface LookOptions {
  /** Requests another scan when the last one failed or is old. */
  renew?: boolean;
  signal?: AbortSignal | undefined;
}

export type ScanAnswer =
  /** Findings are complete when they have not changed for `settlingMs`; 0: they are complete. */
  | { state: 'scanned'; findings: Finding[]; settlingMs: number }
  | { state: 'pending'; detail: string }
  /** There will be no findings: `id` is the registry's name for why, `detail` says what it means. */
  | { state: 'unscannable'; id: string; detail: string };

export interface Finding {
  /** `CVE-2025-12345`. */
  id: string;
  /** `CRITICAL`, `HIGH`, `MEDIUM`, `LOW`, or a name of the registry for a lower or unknown severity. */
  severity: string;
}
