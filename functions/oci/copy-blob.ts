import { FactoryError } from '../errors.ts';
import type { BlobLedger } from './blob-ledger.ts';
import { hasBlob } from './blobs.ts';
import type { Descriptor } from './manifest.ts';
import type { Repository } from './manifests.ts';
import { isNondistributable } from './media-type.ts';
import { transferBlob } from './transfer.ts';

export interface BlobCopy {
  source: Repository;
  destination: Repository;
  ledger: BlobLedger;
  /** The destination repository is new or empty: nothing is looked for there. Default false. */
  fresh?: boolean | undefined;
  /** How long the destination may take nothing of what is offered, in milliseconds. Default 30 s. */
  stallMs?: number | undefined;
  onProgress?: ((event: CopyProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export type CopyProgress =
  /** Bytes that moved; negative when a failed attempt is taken back. */
  | { kind: 'transferred'; bytes: number }
  /** Bytes that need not move: the destination has them, or mounted them. */
  | { kind: 'skipped'; bytes: number };

/** Up to this many bytes a look costs more than it saves: an upload that begins with a mount finds out as well. */
const worthALook = 1024 * 1024;

/** Sees to it that the destination has a blob, by as few requests and bytes as it takes. */
export async function copyBlob(copy: BlobCopy, blob: Descriptor): Promise<void> {
  await copy.ledger.alone(blob.digest, () => bring(copy, blob), copy.signal);
}

/** Sees to it that the destination has a blob, by its own word: the ledger was wrong. */
export async function restoreBlob(copy: BlobCopy, blob: Descriptor): Promise<void> {
  if (!(await hasBlob(copy.destination, blob.digest, copy.signal))) await transfer(copy, blob, undefined);
}

async function bring(copy: BlobCopy, blob: Descriptor): Promise<void> {
  const { destination, ledger, signal } = copy;
  const looked = paysToLook(copy, blob);
  if (ledger.knows(blob.digest, destination.name) || (looked && (await hasBlob(destination, blob.digest, signal)))) {
    ledger.record(blob.digest, destination.name);
    copy.onProgress?.({ kind: 'skipped', bytes: blob.size });
    return;
  }
  const how = await transfer(copy, blob, mountFrom(copy, blob, looked));
  if (how !== 'elsewhere' && destination.registry.profile.mount === 'immediate')
    ledger.record(blob.digest, destination.name);
}

function paysToLook({ destination, ledger, fresh }: BlobCopy, blob: Descriptor): boolean {
  const { headBlob, mount } = destination.registry.profile;
  if (!headBlob) return false;
  const held = ledger.holder(blob.digest) !== undefined;
  // Artifactory mounts nothing, but shows what any repository holds.
  if (mount === 'never' && held) return true;
  // A mount that will be granted is as good as a look.
  return !fresh && blob.size > worthALook && !(held && mount === 'immediate');
}

/** Asked to mount from itself, a repository that has the blob says so, and one that has not opens an upload. */
function mountFrom({ destination, ledger, fresh }: BlobCopy, blob: Descriptor, looked: boolean): string | undefined {
  if (destination.registry.profile.mount === 'never') return undefined;
  const holder = ledger.holder(blob.digest);
  if (holder !== undefined && holder !== destination.name) return holder;
  return fresh || looked ? undefined : destination.name;
}

async function transfer(
  copy: BlobCopy,
  blob: Descriptor,
  from: string | undefined,
): Promise<'mounted' | 'uploaded' | 'elsewhere'> {
  const { source, destination, stallMs, signal } = copy;
  const onBytes = (bytes: number) => copy.onProgress?.({ kind: 'transferred', bytes });
  const how = await transferBlob({ source, destination, blob, mountFrom: from, onBytes, stallMs, signal }).catch(
    (error: unknown) => {
      if (isLeftAtItsUrls(blob, error)) return 'elsewhere' as const;
      throw error;
    },
  );
  if (how !== 'uploaded') copy.onProgress?.({ kind: 'skipped', bytes: blob.size });
  return how;
}

/** A Windows base layer that its registry does not serve: clients get it from the addresses in its descriptor. */
function isLeftAtItsUrls(blob: Descriptor, error: unknown): boolean {
  const absent = error instanceof FactoryError && error.name === 'ImageNotFound';
  return absent && isNondistributable(blob.mediaType) && (blob.urls?.length ?? 0) > 0;
}
