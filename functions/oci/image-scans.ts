import type { Digest } from './digest.ts';

/** A registry that scans the images it holds. */
export interface ImageScans {
  /**
   * What is known of one manifest, which is no index: those are not scanned themselves. Begins the scan where that is
   * for the caller to do. Throws `ImageNotFound`, and what the registry's other calls throw.
   */
  look(repository: string, digest: Digest, signal?: AbortSignal): Promise<ScanAnswer>;
}

export type ScanAnswer =
  | { state: 'scanned'; findings: Finding[] }
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
