import type { Digest } from '../spec/digest.ts';

/** A registry that scans the images it holds. */
export interface ImageScans {
  /**
   * What is known of one manifest, which is no index: those are not scanned themselves. Begins the scan where that is
   * for the caller to do. Throws `ImageNotFound`, and what the registry's other calls throw.
   */
  look(repository: string, digest: Digest, options?: LookOptions): Promise<ScanAnswer>;
}

export interface LookOptions {
  /** Asks for another scan when the last one failed, or was so long ago that much may have become known since. */
  renew?: boolean;
  signal?: AbortSignal | undefined;
}

export type ScanAnswer =
  /** More findings may come in until the registry has told the same for `settlingMs`; 0: these are all. */
  | { state: 'scanned'; findings: Finding[]; settlingMs: number }
  /** `detail` says in which state the scan is. */
  | { state: 'pending'; detail: string }
  /** There will be no findings: `id` is the registry's name for why, `detail` says what it means. */
  | { state: 'unscannable'; id: string; detail: string };

export interface Finding {
  /** `CVE-2025-12345`. */
  id: string;
  /** `CRITICAL`, `HIGH`, `MEDIUM`, `LOW`, or one of the registry's names for what is milder or not known. */
  severity: string;
}
