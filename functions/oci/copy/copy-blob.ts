import { FactoryError } from '../../errors.ts';
import type { BlobLedger } from './blob-ledger.ts';
import { hasBlob, servesBlob } from '../registry/blobs.ts';
import { type Descriptor, isLeftAtItsUrls } from '../spec/manifest.ts';
import type { Repository } from '../registry/repository.ts';
import type { Source } from '../registry/source.ts';
import { type BlobTransfer, transferBlob } from './stream-blob.ts';

export interface BlobCopy {
  source: Source;
  destination: Repository;
  ledger: BlobLedger;
  /** The destination's repository was created just now: it is empty, so no blob is looked up. */
  fresh?: boolean | undefined;
  /**
   * The image is at the destination, but pieces of it may be missing. Each blob is looked up at the destination itself:
   * the ledger, or a mount that the registry confirms, may reflect the state before the loss.
   */
  repair?: boolean | undefined;
  /** Timeout for a destination that stops reading, in milliseconds. Default: 30,000. */
  stallMs?: number | undefined;
  /** Sends a blob. Default: `transferBlob`. */
  send?: ((transfer: BlobTransfer) => Promise<'mounted' | 'uploaded'>) | undefined;
  onProgress?: ((event: CopyProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export type CopyProgress =
  /** Bytes that were transferred; negative when a failed attempt is subtracted. */
  | { kind: 'transferred'; bytes: number }
  /** Bytes that need no transfer: the destination has them, or mounted them. */
  | { kind: 'skipped'; bytes: number };

/** Bytes from which a HEAD is cheap beside a second upload, at registries without mounts within a repository. */
const worthALook = 64 * 1024 * 1024;

/** Ensures that the destination has a blob, with as few requests and bytes as possible. */
export async function copyBlob(copy: BlobCopy, blob: Descriptor): Promise<'uploaded' | 'skipped'> {
  return copy.ledger.alone(blob.digest, () => bring(copy, blob), copy.signal);
}

/** Uploads a blob that the ledger listed but the destination does not have. Checks with HEAD first. */
export async function restoreBlob(copy: BlobCopy, blob: Descriptor): Promise<void> {
  if (!(await hasBlob(copy.destination, blob, copy.signal))) await transfer(copy, blob, undefined);
}

async function bring(copy: BlobCopy, blob: Descriptor): Promise<'uploaded' | 'skipped'> {
  const { destination, ledger, repair, signal } = copy;
  const looked = repair || paysToLook(copy, blob);
  const present = repair
    ? await servesBlob(destination, blob, signal)
    : ledger.knows(blob.digest, destination.name) || (looked && (await hasBlob(destination, blob, signal)));
  if (present) {
    ledger.record(blob.digest, destination.name);
    copy.onProgress?.({ kind: 'skipped', bytes: blob.size });
    return 'skipped';
  }
  const how = await transfer(copy, blob, mountFrom(copy, blob, looked));
  if (how !== 'elsewhere' && destination.registry.profile.mount === 'immediate')
    ledger.record(blob.digest, destination.name);
  return how === 'uploaded' ? how : 'skipped';
}

function paysToLook({ destination, ledger, fresh }: BlobCopy, blob: Descriptor): boolean {
  const { headBlob, mount } = destination.registry.profile;
  if (!headBlob || fresh) return false;
  // A mount request checks as well as HEAD, and opens the upload when there is nothing to mount. Use HEAD where a mount
  // cannot find blobs without a manifest, or (Artifactory) those of other repositories: an interrupted copy would
  // upload them again.
  return mount !== 'immediate' || (blob.size >= worthALook && ledger.holder(blob.digest) === undefined);
}

/**
 * Returns the repository to mount from. Without a known holder it is the destination itself: when it has the blob, it
 * confirms the mount; otherwise it opens an upload.
 */
function mountFrom({ destination, ledger }: BlobCopy, blob: Descriptor, looked: boolean): string | undefined {
  if (destination.registry.profile.mount === 'never') return undefined;
  const holder = ledger.holder(blob.digest);
  if (holder !== undefined && holder !== destination.name) return holder;
  return looked ? undefined : destination.name;
}

async function transfer(
  copy: BlobCopy,
  blob: Descriptor,
  from: string | undefined,
): Promise<'mounted' | 'uploaded' | 'elsewhere'> {
  const { source, destination, stallMs, signal, send = transferBlob } = copy;
  const onBytes = (bytes: number) => copy.onProgress?.({ kind: 'transferred', bytes });
  const how = await send({ source, destination, blob, mountFrom: from, onBytes, stallMs, signal }).catch(
    (error: unknown) => {
      if (isMissing(error) && isLeftAtItsUrls(blob)) return 'elsewhere' as const;
      throw error;
    },
  );
  if (how !== 'uploaded') copy.onProgress?.({ kind: 'skipped', bytes: blob.size });
  return how;
}

function isMissing(error: unknown): boolean {
  return error instanceof FactoryError && error.name === 'ImageNotFound';
}
