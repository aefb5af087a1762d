import pLimit, { type LimitFunction } from 'p-limit';
import { FactoryError } from '../errors.ts';
import { opensBlob, servesBlob } from '../oci/registry/blobs.ts';
import type { Digest } from '../oci/spec/digest.ts';
import { loadImage, type Piece } from '../oci/spec/image.ts';
import { isLeftAtItsUrls, type Manifest } from '../oci/spec/manifest.ts';
import { getManifest, resolveTag } from '../oci/registry/manifests.ts';
import type { Repository } from '../oci/registry/repository.ts';
import { isAbsence } from '../oci/registry/registry-failure.ts';
import type { Runtime } from '../runtime/runtime.ts';

/** A manifest at a registry, complete or not. */
export interface Root {
  repository: Repository;
  digest: Digest;
}

/** As many at one registry as its limits admit at once: a request that waits for them takes memory. */
const lookupsInFlight = 24; // Survives mutation: the number of parallel requests decides the speed alone.

/**
 * Looks at registries for the pieces of images, by HEAD. Each piece is looked up once per repository, however many
 * images share it.
 */
export class Wholeness {
  readonly #manifests: Runtime['manifests'];
  readonly #lookups = new Map<string, Promise<boolean>>();
  /** By registry: the pause of one must not delay another. */
  readonly #limits = new Map<string, LimitFunction>();

  constructor({ manifests }: Pick<Runtime, 'manifests'>) {
    this.#manifests = manifests;
  }

  /**
   * Returns the manifests and blobs below a root that its repository lacks. Pieces below a manifest that is neither at
   * the repository nor in the cache are unknown, and not listed. `only` restricts the check to one kind of piece.
   */
  async missing(
    { repository, digest: root }: Root,
    { only, signal }: { only?: Piece['kind'] | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<readonly Piece[]> {
    const unreadable = new Set<Digest>();
    const read = async (digest: Digest): Promise<Manifest | undefined> => {
      try {
        return await this.#manifests.through(digest, () => getManifest(repository, digest, signal));
      } catch (error) {
        if (!isAbsence(error) && !isCorrupt(error)) throw error;
        unreadable.add(digest);
        return undefined;
      }
    };
    const manifest = await read(root);
    const { manifests, blobs } = manifest ? await loadImage(manifest, read) : { manifests: [], blobs: [] };
    const pieces: Piece[] = [
      ...manifests.flatMap(({ digest }) => (digest === root ? [] : { kind: 'manifest' as const, digest })),
      // Windows base layers may stay at the URLs in their descriptors, so they are not missing.
      ...blobs.flatMap((blob) =>
        isLeftAtItsUrls(blob) ? [] : { kind: 'blob' as const, digest: blob.digest, size: blob.size },
      ),
    ];
    const wanted = pieces.filter(({ kind }) => only === undefined || kind === only);
    const there = await Promise.all(wanted.map((piece) => this.#holds(repository, piece, signal)));
    return [
      ...[...unreadable].map((digest): Piece => ({ kind: 'manifest', digest })),
      ...wanted.filter((_, i) => !there[i]),
    ];
  }

  /** Returns whether a source serves all the pieces. Needs the right to pull only. */
  async serves(source: Repository, pieces: readonly Piece[], signal?: AbortSignal): Promise<boolean> {
    const served = await Promise.all(
      pieces.map((piece) =>
        this.#once(source, piece, () =>
          piece.kind === 'manifest' ? isServed(source, piece.digest, signal) : opensBlob(source, piece, signal),
        ),
      ),
    );
    return !served.includes(false);
  }

  #holds(repository: Repository, piece: Piece, signal?: AbortSignal): Promise<boolean> {
    return this.#once(repository, piece, () =>
      piece.kind === 'manifest' ? isServed(repository, piece.digest, signal) : servesBlob(repository, piece, signal),
    );
  }

  #once({ registry, name }: Repository, { digest }: Piece, look: () => Promise<boolean>): Promise<boolean> {
    const key = `${registry.name}/${name} ${digest}`;
    let lookup = this.#lookups.get(key);
    if (!lookup) {
      const limit = this.#limits.get(registry.name) ?? pLimit(lookupsInFlight);
      this.#limits.set(registry.name, limit);
      this.#lookups.set(key, (lookup = limit(look)));
    }
    return lookup;
  }
}

async function isServed(repository: Repository, digest: Digest, signal?: AbortSignal): Promise<boolean> {
  return (await resolveTag(repository, digest, { signal })) === digest;
}

/** Returns whether a manifest was damaged in storage. It counts as missing, and a push replaces it. */
function isCorrupt(error: unknown): boolean {
  return error instanceof FactoryError && error.name === 'DigestMismatch';
}
