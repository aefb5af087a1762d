import { FactoryError } from '../errors.ts';
import type { BlobLedger } from './blob-ledger.ts';
import { hasBlob } from './blobs.ts';
import type { Image } from './image.ts';
import { inParallel } from './in-parallel.ts';
import type { Descriptor, Manifest } from './manifest.ts';
import { putManifest, type Repository, resolveTag } from './manifests.ts';
import { isNondistributable } from './media-type.ts';
import { RegistryFailure } from './registry-failure.ts';
import { transferBlob } from './transfer.ts';

/** Blobs, and then manifests, of one image in flight at once. */
const requestsInFlight = 8;

export interface ImageCopy {
  source: Repository;
  destination: Repository;
  image: Image;
  /** Under which tag the root is stored; without one it is stored under its digest alone. */
  tag: string | undefined;
  ledger: BlobLedger;
  onProgress?: ((event: CopyProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export type CopyProgress =
  /** Bytes that moved; negative when a failed attempt is taken back. */
  | { kind: 'transferred'; bytes: number }
  /** Bytes that need not move: the destination has them, or mounted them. */
  | { kind: 'skipped'; bytes: number };

export interface CopyTotals {
  bytesTransferred: number;
  bytesSkipped: number;
}

/**
 * Copies an image, bytes unchanged: its blobs in parallel, then its manifests, the root last, so that whoever sees the
 * tag finds everything below it.
 */
export async function copyImage(copy: ImageCopy): Promise<CopyTotals> {
  const totals: CopyTotals = { bytesTransferred: 0, bytesSkipped: 0 };
  const report = (event: CopyProgress) => {
    if (event.kind === 'transferred') totals.bytesTransferred += event.bytes;
    else totals.bytesSkipped += event.bytes;
    copy.onProgress?.(event);
  };
  await copyBlobs(copy, report);
  await pushManifests(copy);
  for (const blob of copy.image.blobs) copy.ledger.record(blob.digest, copy.destination.name);
  return totals;
}

async function copyBlobs(copy: ImageCopy, report: (event: CopyProgress) => void): Promise<void> {
  // Largest first: a large blob that starts last would be waited for alone.
  const blobs = copy.image.blobs.toSorted((a, b) => b.size - a.size);
  await inParallel(blobs, requestsInFlight, copy.signal, (blob, signal) => copyBlob({ ...copy, signal }, blob, report));
}

async function copyBlob(copy: ImageCopy, blob: Descriptor, report: (event: CopyProgress) => void): Promise<void> {
  const { source, destination, ledger, signal } = copy;
  const bring = async () => {
    if (ledger.knows(blob.digest, destination.name) || (await hasBlob(destination, blob.digest, signal))) {
      ledger.record(blob.digest, destination.name);
      return report({ kind: 'skipped', bytes: blob.size });
    }
    const holder = ledger.holder(blob.digest);
    const how = await transferBlob({
      source,
      destination,
      blob,
      mountFrom: holder === destination.name ? undefined : holder,
      onBytes: (bytes) => report({ kind: 'transferred', bytes }),
      signal,
    }).catch((error: unknown) => {
      if (isLeftAtItsUrls(blob, error)) return 'elsewhere' as const;
      throw error;
    });
    if (how !== 'uploaded') report({ kind: 'skipped', bytes: blob.size });
    if (how !== 'elsewhere' && destination.registry.profile.mount === 'immediate')
      ledger.record(blob.digest, destination.name);
  };
  await ledger.alone(blob.digest, bring, signal);
}

/** A Windows base layer that its registry does not serve: clients get it from the addresses in its descriptor. */
function isLeftAtItsUrls(blob: Descriptor, error: unknown): boolean {
  const absent = error instanceof FactoryError && error.name === 'ImageNotFound';
  return absent && isNondistributable(blob.mediaType) && (blob.urls?.length ?? 0) > 0;
}

async function pushManifests({ destination, image, tag, signal }: ImageCopy): Promise<void> {
  const children = image.manifests.filter((manifest) => manifest !== image.root);
  // Children are sorted parents-last, and only nested indexes have an order among themselves.
  const nested = children.filter(({ manifests }) => manifests.length > 0);
  const leaves = children.filter(({ manifests }) => manifests.length === 0);
  await inParallel(leaves, requestsInFlight, signal, async (child, either) => {
    await putManifest(destination, child.digest, child, either);
  });
  for (const index of nested) await putManifest(destination, index.digest, index, signal);
  await pushRoot(destination, image.root, tag, signal);
}

async function pushRoot(
  destination: Repository,
  root: Manifest,
  tag: string | undefined,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await putManifest(destination, tag ?? root.digest, root, signal);
  } catch (error) {
    // Immutable tags refuse a push even of what they hold already.
    const refused = error instanceof RegistryFailure && error.status >= 400 && error.status < 500;
    if (!refused) throw error;
    // The refusal says more than a failed look at the tag would.
    const present = await resolveTag(destination, tag ?? root.digest, signal).catch(() => undefined);
    if (present !== root.digest) throw error;
  }
}
