import type { BlobLedger } from './blob-ledger.ts';
import { copyImage, type CopyProgress, type CopyTotals } from './copy-image.ts';
import type { Digest } from './digest.ts';
import { loadImage } from './image.ts';
import { getManifest, type Repository, resolveTag } from './manifests.ts';
import { addToFallbackIndex, cosignTags, isWantedReferrer, listReferrers, type ReferrersPolicy } from './referrers.ts';

export interface ReferrersCopy {
  source: Repository;
  destination: Repository;
  /** The manifests whose referrers go along: an image's root, and an index's children. */
  subjects: readonly Digest[];
  policy: ReferrersPolicy;
  ledger: BlobLedger;
  onProgress?: ((event: CopyProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** Copies the signatures, or all artifacts, that refer to an image which is at the destination already. */
export async function copyReferrers(copy: ReferrersCopy): Promise<CopyTotals> {
  const totals: CopyTotals = { bytesTransferred: 0, bytesSkipped: 0 };
  for (const subject of copy.policy === 'off' ? [] : copy.subjects) {
    for (const artifact of await listReferrers(copy.source, subject, copy.signal)) {
      if (!isWantedReferrer(copy.policy, artifact)) continue;
      if ((await resolveTag(copy.destination, artifact.digest, copy.signal)) !== artifact.digest) {
        add(await copyOne(copy, artifact.digest, undefined));
      }
      const tracked = await listReferrers(copy.destination, subject, copy.signal);
      if (!tracked.some(({ digest }) => digest === artifact.digest)) {
        await addToFallbackIndex(copy.destination, subject, artifact, copy.signal);
      }
    }
    for (const tag of cosignTags(copy.policy, subject)) {
      const digest = await resolveTag(copy.source, tag, copy.signal);
      if (digest === undefined || (await resolveTag(copy.destination, tag, copy.signal)) === digest) continue;
      add(await copyOne(copy, digest, tag));
    }
  }
  return totals;

  function add({ bytesTransferred, bytesSkipped }: CopyTotals): void {
    totals.bytesTransferred += bytesTransferred;
    totals.bytesSkipped += bytesSkipped;
  }
}

async function copyOne(copy: ReferrersCopy, digest: Digest, tag: string | undefined): Promise<CopyTotals> {
  const { source, destination, ledger, onProgress, signal } = copy;
  const read = (wanted: Digest) => getManifest(source, wanted, signal);
  const image = await loadImage(await read(digest), read);
  return copyImage({ source, destination, image, tag, ledger, onProgress, signal });
}
