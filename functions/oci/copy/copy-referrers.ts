import { FactoryError } from '../../errors.ts';
import type { BlobLedger } from './blob-ledger.ts';
import { copyImage, type CopyProgress, type CopyTotals } from './copy-image.ts';
import type { Digest } from '../spec/digest.ts';
import { loadImage } from '../spec/image.ts';
import type { Descriptor, Manifest } from '../spec/manifest.ts';
import { resolveTag } from '../registry/manifests.ts';
import type { Repository } from '../registry/repository.ts';
import type { Source } from '../registry/source.ts';
import {
  addToFallbackIndex,
  cosignTags,
  isWantedReferrer,
  listReferrers,
  referrerLimits,
  type ReferrersPolicy,
} from '../registry/referrers.ts';

export interface ReferrersCopy {
  source: Source;
  destination: Repository;
  /** The manifests whose referrers are copied: an image's root, and an index's children. */
  subjects: readonly Digest[];
  policy: ReferrersPolicy;
  ledger: BlobLedger;
  read: (digest: Digest) => Promise<Manifest>;
  onProgress?: ((event: CopyProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export interface CopiedReferrers extends CopyTotals {
  /** Artifacts that were not copied, with the reasons. */
  warnings: string[];
}

/** Limits for one image: manifests whose referrers are listed, and artifacts that are copied. */
const maxSubjects = 200;
const maxArtifacts = 1_000;

/**
 * Copies the signatures, or all artifacts, that refer to an image which is already at the destination. An artifact that
 * cannot be copied is a warning, because the image is complete without it: ECR refuses some manifests with a subject
 * (https://github.com/aws/containers-roadmap/issues/2783). Throws only the signal's reason.
 */
export async function copyReferrers(copy: ReferrersCopy): Promise<CopiedReferrers> {
  const { source, destination, policy, signal } = copy;
  const totals: CopiedReferrers = { bytesTransferred: 0, bytesSkipped: 0, warnings: [] };
  const subjects = policy === 'off' ? [] : copy.subjects.slice(0, maxSubjects);
  if (policy !== 'off' && copy.subjects.length > maxSubjects) {
    totals.warnings.push(
      `the image has ${copy.subjects.length} manifests: artifacts that refer to the first ${maxSubjects} were looked for`,
    );
  }
  let room = maxArtifacts;
  for (const subject of subjects) {
    await attempt(`what refers to ${subject}`, async () => {
      const { artifacts, truncated } = await source.referrers(subject, { signal, read: copy.read });
      const wanted = artifacts.filter((artifact) => isWantedReferrer(policy, artifact));
      const chosen = wanted.slice(0, room);
      room -= chosen.length;
      if (truncated || chosen.length < wanted.length) {
        totals.warnings.push(
          `more artifacts refer to ${subject} than are copied (${referrerLimits.artifacts} of a manifest, ${maxArtifacts} of an image): ${chosen.length} of them are copied`,
        );
      }
      const arrived: Descriptor[] = [];
      for (const artifact of chosen) {
        const { digest, artifactType, mediaType } = artifact;
        await attempt(`${artifactType ?? mediaType} ${digest}`, async () => {
          if ((await resolveTag(destination, digest, { signal, absence: 'likely' })) !== digest)
            await bring(digest, undefined);
          arrived.push(artifact);
        });
      }
      if (arrived.length === 0) return;
      const there = await listReferrers(destination, subject, { signal });
      const tracked = new Set(there.artifacts.map(({ digest }) => digest));
      const untracked = arrived.filter(({ digest }) => !tracked.has(digest));
      if (untracked.length > 0) await addToFallbackIndex(destination, subject, untracked, signal);
    });
    for (const tag of cosignTags(policy, subject)) {
      await attempt(tag, async () => {
        const digest = await source.digestOf(tag, { signal, absence: 'likely' });
        if (digest === undefined || (await resolveTag(destination, tag, { signal, absence: 'likely' })) === digest)
          return;
        await bring(digest, tag);
      });
    }
  }
  return totals;

  async function bring(digest: Digest, tag: string | undefined): Promise<void> {
    const image = await loadImage(await copy.read(digest), copy.read);
    const { bytesTransferred, bytesSkipped } = await copyImage(source, destination, { ...copy, image, tag });
    totals.bytesTransferred += bytesTransferred;
    totals.bytesSkipped += bytesSkipped;
  }

  async function attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof FactoryError)) throw error;
      totals.warnings.push(`${what} was not copied: ${error.message}`);
    }
  }
}
