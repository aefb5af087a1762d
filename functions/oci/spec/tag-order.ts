/** A tag as a version: its numbers, and what is around them. */
interface TagVersion {
  /** The tag with `#` for each group of numbers: `rootless-#`, `#-rootless`, `#-#-mongo`. */
  shape: string;
  /** Each group of numbers: `1.18.22` is [1, 18, 22]. */
  groups: number[][];
}

const numbers = /\d+(?:\.\d+)*/g;

function versionOf(tag: string): TagVersion | undefined {
  const groups = [...tag.matchAll(numbers)].map(([group]) => group.split('.').map(Number));
  return groups.length === 0 ? undefined : { shape: tag.replace(numbers, '#'), groups };
}

/** The first number in which two versions of one shape differ: its group, its place in the group, and both values. */
function firstDifference(a: TagVersion, b: TagVersion) {
  for (const [group, numbersOfA] of a.groups.entries()) {
    const numbersOfB = b.groups[group] ?? [];
    for (let place = 0; place < Math.max(numbersOfA.length, numbersOfB.length); place++) {
      const [ofA, ofB] = [numbersOfA[place] ?? 0, numbersOfB[place] ?? 0];
      if (ofA !== ofB) return { group, place, ofA, ofB };
    }
  }
  return undefined;
}

/**
 * Compares tags as versions: negative when `a` is older, positive when it is newer, 0 for the same version. Returns
 * `undefined` for tags that are no versions (`latest`) or are of different variants (`1.7.25`, `1.7.25-rootless`).
 */
export function compareTags(a: string, b: string): number | undefined {
  const [versionA, versionB] = [versionOf(a), versionOf(b)];
  if (!versionA || !versionB || versionA.shape !== versionB.shape) return undefined;
  const difference = firstDifference(versionA, versionB);
  return difference ? difference.ofA - difference.ofB : 0;
}

const places = ['major', 'minor', 'patch'] as const;

/**
 * Describes by how much `tag` is older than `newer`: `2 minor versions`. Returns `undefined` when it is not older. A tag
 * that begins the newer one (`1`, `1.18`) usually moves with it, and is not older.
 */
export function describeLag(tag: string, newer: string): string | undefined {
  const [older, other] = [versionOf(tag), versionOf(newer)];
  if (!older || !other || older.shape !== other.shape) return undefined;
  const difference = firstDifference(older, other);
  if (!difference || difference.ofA > difference.ofB) return undefined;
  if (difference.place >= (older.groups[difference.group]?.length ?? 0)) return undefined;
  const place = difference.group === 0 && (older.groups[0]?.length ?? 0) > 1 ? places[difference.place] : undefined;
  if (place === undefined) return 'some versions';
  const count = difference.ofB - difference.ofA;
  return `${count} ${place} version${count === 1 ? '' : 's'}`;
}
