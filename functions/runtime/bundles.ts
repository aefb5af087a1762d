import type { Bundle } from '../bundle/open-bundle.ts';
import type { BundleDocument } from '../bundle/document.ts';
import type { BundlePlan } from '../bundle/plan-bundle.ts';
import type { Base } from '../bundle/receipt.ts';
import type { Verification, VerifyOptions } from '../bundle/verify-bundle.ts';
import type { WrittenBundle } from '../bundle/write-tar.ts';

/** The bundles that a place can reach: files, or objects in S3. */
export interface Bundles {
  /**
   * Opens a bundle, and checks its document, its signature where a key is known, its index and its manifests.
   *
   * @throws {FactoryError} `BundleInvalid`, `SignatureInvalid`
   */
  open(address: string, signal?: AbortSignal): Promise<Bundle>;
  /** Reads a whole bundle, and names all that is damaged. Throws `SignatureInvalid`. */
  verify(address: string, options: BundleReading): Promise<Verification>;
  /** Writes a bundle, or the rest of one. Throws `DiskFull` before the first byte. */
  write(plan: BundlePlan, address: string, options: BundleWriting): Promise<WrittenBundle>;
  /** The content that an export leaves out. */
  readonly bases?: readonly Base[];
  /** The bundle of which an export writes lost parts again, and the bytes of these. Nothing else of it is written. */
  readonly again?: { readonly document: BundleDocument; readonly bytes: number } | undefined;
}

type BundleReading = Pick<VerifyOptions, 'onBytes' | 'signal' | 'resumption'>;

interface BundleWriting {
  onBytes: (bytes: number) => void;
  onNote: (message: string) => void;
  signal?: AbortSignal | undefined;
}
