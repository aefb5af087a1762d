import { FactoryError } from '../errors.ts';
import type { Digest } from '../oci/spec/digest.ts';
import { type Image, loadImage } from '../oci/spec/image.ts';
import type { Manifest } from '../oci/spec/manifest.ts';
import { getManifest, resolveTag } from '../oci/registry/manifests.ts';
import type { Repository } from '../oci/registry/repository.ts';
import type { Reservation } from '../oci/registry/pull-budget.ts';
import { formatReference, type Reference, tagOrDigest } from '../oci/spec/reference.ts';
import { isFailureOf, type SourceFailure, sourceNote } from '../images/source-failure.ts';
import type { Runtime } from '../runtime/runtime.ts';

interface Lookup {
  read: boolean;
  runtime: Runtime;
  signal?: AbortSignal | undefined;
}

/**
 * The source of an image: the first in order that has it. Moves to a later source with the same digest when the pull
 * limit of the first leaves less than the image needs, or when the first refuses or fails to serve it.
 */
export class ImageSource {
  readonly digest: Digest;
  /** The registry whose pull limit is too small, when no other source has the same image. */
  overdrawn: string | undefined;
  #reference: Reference;
  /** Sources that may have the same image and have not failed. */
  #others: readonly Reference[];
  readonly #runtime: Runtime;
  readonly #signal: AbortSignal | undefined;

  private constructor(
    digest: Digest,
    [reference, ...others]: readonly [Reference, ...Reference[]],
    runtime: Runtime,
    signal?: AbortSignal,
  ) {
    this.digest = digest;
    this.#reference = reference;
    this.#others = others;
    this.#runtime = runtime;
    this.#signal = signal;
  }

  /**
   * Looks for the image at the candidates in order: reads the manifest if it is needed later, else only the digest.
   * When none has the image, throws the most informative of their failures.
   */
  static async find(candidates: readonly Reference[], { read, runtime, signal }: Lookup): Promise<ImageSource> {
    const failures: FactoryError[] = [];
    for (const [index, reference] of candidates.entries()) {
      try {
        const repository = runtime.repository(reference);
        const { countsPulls, missing403 } = repository.registry.profile;
        // HEAD reports the pulls left without using one up, while there is still another source to move to.
        const last = index === candidates.length - 1;
        const digest =
          read && last && !countsPulls && !missing403
            ? await readRoot(repository, reference, runtime, signal)
            : await resolveTag(repository, tagOrDigest(reference), { signal });
        if (digest !== undefined) {
          return new ImageSource(digest, [reference, ...candidates.slice(index + 1)], runtime, signal);
        }
        failures.push(absent(reference, repository.registry.profile.missing403));
      } catch (error) {
        signal?.throwIfAborted();
        failures.push(FactoryError.from(error));
      }
    }
    // "Not found" is the least informative reason when another source could not be reached.
    const telling = failures.find(({ name: failure }) => failure !== 'ImageNotFound') ?? failures[0];
    throw new FactoryError(telling?.name ?? 'ImageNotFound', failures.map(({ message }) => message).join('; '), {
      hint: telling?.hint ?? 'Set source_registry to a registry that has the image.',
      topic: telling?.topic,
    });
  }

  /** Sources that a copy can move to when this one fails, in order. Their digest may differ. */
  get others(): readonly Reference[] {
    return this.#others.filter((other) => other !== this.#reference);
  }

  /** The source in use. Reading from it may move to another. */
  get reference(): Reference {
    return this.#reference;
  }

  get repository(): Repository {
    return this.#runtime.repository(this.#reference);
  }

  /** Returns the root manifest. Reads by digest: the tag may move during the run. */
  root(): Promise<Manifest> {
    return this.#runtime.manifests.through(this.digest, () => this.#pulling(1, (pull) => pull(this.digest)));
  }

  /** Loads everything below a root. The root may be the official one with some platforms left out. */
  async image(root: Manifest): Promise<Image> {
    const { manifests } = this.#runtime;
    return this.#pulling(await this.#pullsBelow(root), (pull) =>
      loadImage(root, (digest) => manifests.through(digest, () => pull(digest))),
    );
  }

  /** Counts the child manifests to pull that are not cached, without those of nested indexes. 0 without a limit. */
  async #pullsBelow({ manifests }: Manifest): Promise<number> {
    if (!this.repository.registry.pulls.budget) return 0;
    const digests = [...new Set(manifests.map(({ digest }) => digest))];
    const known = await Promise.all(digests.map((digest) => this.#runtime.manifests.find(digest)));
    return known.filter((manifest) => manifest === undefined).length;
  }

  async #pulling<T>(pulls: number, read: (pull: (digest: Digest) => Promise<Manifest>) => Promise<T>): Promise<T> {
    let first: { error: unknown; reference: Reference; overdrawn: string | undefined } | undefined;
    for (;;) {
      const reservation = await this.#reserve(pulls);
      const { repository } = this;
      try {
        return await read(async (digest) => {
          const manifest = await getManifest(repository, digest, this.#signal);
          reservation.spend();
          return manifest;
        });
      } catch (error) {
        this.#signal?.throwIfAborted();
        first ??= { error, reference: this.#reference, overdrawn: this.overdrawn };
        if (isFailureOf(repository.registry.name, error) && (await this.#moveOn(error))) continue;
        // Report the first failure: it is more informative than that of a source tried after it.
        this.#reference = first.reference;
        this.overdrawn = first.overdrawn;
        throw first.error;
      } finally {
        reservation.release();
      }
    }
  }

  /** Moves to the next source that has the same image. Returns `false` when there is none. */
  async #moveOn(failure: SourceFailure): Promise<boolean> {
    const failed = this.#reference;
    for (const other of this.#others.filter(({ registry }) => registry !== failed.registry)) {
      // Skip a source that cannot be reached.
      const digest = await resolveTag(this.#runtime.repository(other), this.digest, { signal: this.#signal }).catch(
        () => undefined,
      );
      this.#signal?.throwIfAborted();
      if (digest !== this.digest) continue;
      const message = sourceNote(failed, failure, other);
      this.#runtime.progress({ kind: 'note', message });
      this.#reference = other;
      this.#others = this.#others.filter(({ registry }) => registry !== failed.registry);
      this.overdrawn = undefined;
      return true;
    }
    return false;
  }

  /** Reserves the pulls, at the next source with the same image and enough pulls if this one has too few left. */
  async #reserve(pulls: number): Promise<Reservation> {
    const here = this.repository.registry;
    const reservation = here.pulls.reserve(pulls);
    if (reservation) return reservation;
    for (const reference of this.#others) {
      if (reference.registry === here.name) continue;
      const other = this.#runtime.repository(reference);
      // Skip a source that cannot be reached. If this one throttles the pull, that failure is reported.
      const digest = await resolveTag(other, tagOrDigest(reference), { signal: this.#signal }).catch(() => undefined);
      this.#signal?.throwIfAborted();
      const elsewhere = digest === this.digest ? other.registry.pulls.reserve(pulls) : undefined;
      if (!elsewhere) continue;
      this.#reference = reference;
      return elsewhere;
    }
    this.overdrawn = here.name;
    return here.pulls.overdraw(pulls);
  }
}

/** Reads and caches the root manifest, and returns its digest; `undefined` when there is no such image. */
async function readRoot(
  repository: Repository,
  reference: Reference,
  { manifests }: Runtime,
  signal?: AbortSignal,
): Promise<Digest | undefined> {
  try {
    const manifest = await getManifest(repository, tagOrDigest(reference), signal);
    await manifests.put(manifest);
    return manifest.digest;
  } catch (error) {
    if (error instanceof FactoryError && error.name === 'ImageNotFound') return undefined;
    throw error;
  }
}

function absent(reference: Reference, maybeForbidden: boolean): FactoryError {
  const image = formatReference(reference);
  if (maybeForbidden) {
    return new FactoryError(
      'RegistryForbidden',
      `${image} does not exist, or may not be pulled: the registry's response is the same for both`,
      {
        hint: `Check the tag, and what the user of ${reference.registry} may pull.`,
      },
    );
  }
  return new FactoryError('ImageNotFound', `${image} does not exist`, {
    hint: 'Check the tag, pin one that exists, or set another source_registry.',
  });
}
