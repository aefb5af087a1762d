import type { FactoryError } from '../../errors.ts';
import type { Digest } from '../spec/digest.ts';
import type { Descriptor, Manifest } from '../spec/manifest.ts';
import type { Referrers } from './referrers.ts';
import type { Registry } from './registry.ts';

/** A place that images are copied from: a repository of a registry (`Repository`), or an image of a layout. */
export interface Source {
  /** The registry that may throttle the copy; `undefined` where there is none. */
  readonly registry: Registry | undefined;
  /** Set for a disk of this machine, from which blobs need not be read ahead. */
  readonly isLocal?: boolean | undefined;
  /** Reads a manifest and checks it against the requested digest. Throws `ImageNotFound`, `DigestMismatch`, … */
  manifest(tagOrDigest: string, signal?: AbortSignal): Promise<Manifest>;
  /** Returns the digest of a tag; `undefined` when there is no such manifest. */
  digestOf(
    tagOrDigest: string,
    options?: { absence?: 'likely' | 'unlikely'; signal?: AbortSignal | undefined },
  ): Promise<Digest | undefined>;
  /** Reads a blob from byte `start` to its end. Does not verify the bytes: the caller hashes them. */
  blob(
    blob: Descriptor,
    options?: { start?: number; signal?: AbortSignal | undefined },
  ): AsyncGenerator<Uint8Array, void, undefined>;
  /** Lists the artifacts that refer to `subject`. `read` gets a manifest by digest. */
  referrers(
    subject: Digest,
    options?: { read?: (digest: Digest) => Promise<Manifest>; signal?: AbortSignal | undefined },
  ): Promise<Referrers>;
  /** Returns the error for a blob that arrived as other content. Default: `DigestMismatch`, after which it is read again. */
  readonly mismatch?: (blob: Descriptor, got: string) => FactoryError;
}
