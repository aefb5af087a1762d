import type { BundleDocument } from '../bundle/document.ts';
import type { Source } from '../oci/registry/source.ts';

/** A bundle that was opened: its document, index and manifests are checked. Blobs are checked as they are read. */
export interface OpenBundle {
  readonly address: string;
  readonly document: BundleDocument;
  /** Returns the source of an image, by its name in the document. */
  source(image: string): Source;
  close(): Promise<void>;
}

/** The bundles that a place can reach: files, or objects in S3. */
export interface Bundles {
  /** Opens a bundle, and checks its document, its signature where a key is known, its index and its manifests. */
  open(address: string, signal?: AbortSignal): Promise<OpenBundle>;
}
