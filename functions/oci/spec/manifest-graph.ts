import { FactoryError } from '../../errors.ts';
import type { Digest } from './digest.ts';
import { inParallel } from '../../async/in-parallel.ts';
import type { Manifest } from './manifest.ts';
import { isIndexType, isManifestType } from './media-type.ts';

const readsInFlight = 16;

/** Manifests that one walk visits at most, so that a hostile registry cannot make it endless. */
const visitLimit = 50_000;

/**
 * Returns the digests of `roots` and of every manifest below them: the children of an index at each level, and the
 * subject that a manifest refers to, because registries may delete referrers with their subject. `read` gets a manifest
 * by digest; nothing leads on from one that it does not find. Throws `ManifestInvalid` for a graph without end, and
 * what `read` throws.
 */
export async function digestsBelow(
  roots: Iterable<Digest>,
  read: (digest: Digest, signal: AbortSignal) => Promise<Manifest | undefined>,
  signal?: AbortSignal,
): Promise<Set<Digest>> {
  const found = new Set(roots);
  const visited = new Set<Digest>();
  let level = [...found];
  while (level.length > 0) {
    const next = new Set<Digest>();
    for (const digest of level) visited.add(digest);
    if (visited.size > visitLimit) throw endless();
    await inParallel(level, readsInFlight, signal, async (digest, each) => {
      const { manifests = [], subject } = (await read(digest, each)) ?? {};
      for (const below of subject ? [...manifests, subject] : manifests) {
        found.add(below.digest);
        if (leadsOn(below.mediaType) && !visited.has(below.digest)) next.add(below.digest);
      }
    });
    level = [...next];
  }
  return found;
}

/** An image below an index is an end: to read each would multiply the requests by the number of platforms. */
function leadsOn(mediaType: string): boolean {
  return isIndexType(mediaType) || !isManifestType(mediaType);
}

function endless(): FactoryError {
  return new FactoryError('ManifestInvalid', `the indexes of a repository lead to more than ${visitLimit} manifests`, {
    hint: 'Delete unused images.',
    topic: 'crowded-registry',
  });
}
