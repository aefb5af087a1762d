import { FactoryError } from '../../errors.ts';
import type { BlobLedger } from './blob-ledger.ts';
import { hasBlob, servesBlob } from '../registry/blobs.ts';
import { type Descriptor, isLeftAtItsUrls } from '../spec/manifest.ts';
import type { Repository } from '../registry/manifests.ts';
import { type BlobTransfer, transferBlob } from './stream-blob.ts';

export interface BlobCopy {
  source: Repository;
  destination: Repository;
  ledger: BlobLedger;
  /** The destination's repository was made a moment ago: there is nothing in it to look for. */
  fresh?: boolean | undefined;
  /**
   * The image is at the destination, but something below it may be missing. Each blob is looked up at the destination
   * itself: what the ledger or the answer to a mount says may date from before the loss.
   */
  repair?: boolean | undefined;
  /** How long the destination may take nothing of what is offered, in milliseconds. Default 30 s. */
  stallMs?: number | undefined;
  /** How a blob is sent. Default `transferBlob`. */
  send?: ((transfer: BlobTransfer) => Promise<'mounted' | 'uploaded'>) | undefined;
  onProgress?: ((event: CopyProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export type CopyProgress =
  /** Bytes that moved; negative when a failed attempt is taken back. */
  | { kind: 'transferred'; bytes: number }
  /** Bytes that need not move: the destination has them, or mounted them. */
  | { kind: 'skipped'; bytes: number };

/** From this size on a look costs nothing beside what it saves should a registry not mount from the repository itself. */
const worthALook = 64 * 1024 * 1024;

/** Sees to it that the destination has a blob, by as few requests and bytes as it takes. */
export async function copyBlob(copy: BlobCopy, blob: Descriptor): Promise<'uploaded' | 'skipped'> {
  return copy.ledger.alone(blob.digest, () => bring(copy, blob), copy.signal);
}

/** Sees to it that the destination has a blob, by its own word: the ledger was wrong. */
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
  // Asking for a mount is as good as a look, and opens the upload where there is nothing to mount. Where nothing tells
  // what lies there without a manifest, or (Artifactory) in other repositories, an interrupted copy would send it again.
  return mount !== 'immediate' || (blob.size >= worthALook && ledger.holder(blob.digest) === undefined);
}

/** Asked to mount from itself, a repository that has the blob says so, and one that has not opens an upload. */
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
