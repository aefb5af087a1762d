import type { Digest } from '../oci/spec/digest.ts';

/** A copy that nothing uses, within its repository. */
export interface Copy {
  /** Absent when the copy is stored under its digest alone. */
  tag: string | undefined;
  digest: Digest;
}

export type Deletion =
  /** Delete the digest. `tags` point at it, and all of them belong to copies that nothing uses. */
  | { delete: 'digest'; tags: string[] }
  /** Delete the tag alone. The tags `others` point at the same digest. */
  | { delete: 'tag'; tag: string; others: string[] }
  /** Delete nothing. `isGone`: the registry no longer holds this copy under its name. */
  | { delete: 'nothing'; reason: string; isGone: boolean };

export interface RepositoryContent {
  /** Every current tag of the repository. */
  tags: ReadonlyMap<string, Digest>;
  /** Digests that something in use has or leads to, whether or not a tag points at them. */
  inUse: ReadonlySet<Digest>;
  /** Returns the given digests and everything below them. */
  below: (roots: Iterable<Digest>) => Promise<ReadonlySet<Digest>>;
}

/**
 * Decides which of the `copies` of one repository can be deleted. Returns each copy with its deletion, in their order. Everything that a remaining tag
 * points at or leads to stays complete. Remaining tags are all but those of the copies, no matter who made them.
 */
export async function repositoryDeletions<C extends Copy>(
  copies: readonly C[],
  { tags, inUse, below }: RepositoryContent,
): Promise<[C, Deletion][]> {
  // A tag that points at another image now no longer belongs to the copy.
  const own = copies.filter(({ tag, digest }) => tag !== undefined && tags.get(tag) === digest);
  const doomed = new Set(own.map(({ tag }) => tag));
  const remaining = [...tags].filter(([tag]) => !doomed.has(tag));
  const whole = await below([...inUse, ...remaining.map(([, digest]) => digest)]);
  const pointing = (digest: Digest, of: Iterable<[string, Digest]>) =>
    [...of].flatMap(([tag, to]) => (to === digest ? tag : []));
  const deletionOf = ({ tag, digest }: Copy): Deletion => {
    if (!whole.has(digest)) return { delete: 'digest', tags: pointing(digest, tags) };
    if (tag !== undefined && tags.get(tag) !== digest)
      return { delete: 'nothing', reason: 'its tag now points at another image', isGone: true };
    const others = pointing(digest, remaining);
    if (tag !== undefined && others.length > 0) return { delete: 'tag', tag, others };
    const holder =
      others.length > 0 ? `the tag ${others[0]} has the same digest` : 'an image that is kept refers to it';
    return { delete: 'nothing', reason: holder, isGone: false };
  };
  return copies.map((copy) => [copy, deletionOf(copy)]);
}
