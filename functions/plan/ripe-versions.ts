import type { SeenVersion } from '../state/first-seen.ts';

/** A field of a group, with the versions that Harness offered for it, the current one last. */
export interface Offered {
  versions: readonly SeenVersion[];
  /** Index of the oldest version that the field may be switched to: the one in use. */
  oldest: number;
}

/**
 * Returns the versions that fields can be switched to together, the newest first: one version for each field, all ripe,
 * none older than the one in use, and all offered by Harness at the same time.
 */
export function ripeVersions(
  group: readonly Offered[],
  isRipe: (version: SeenVersion) => boolean,
): (readonly SeenVersion[])[] {
  const times = new Set(group.flatMap(({ versions }) => versions.map(({ since }) => Date.parse(since))));
  const found: SeenVersion[][] = [];
  for (const time of [...times].toSorted((a, b) => b - a)) {
    const chosen = group.map(({ versions, oldest }) => {
      const index = versions.findLastIndex(({ since }) => Date.parse(since) <= time);
      return index < oldest ? undefined : versions[index];
    });
    if (chosen.every((version) => version !== undefined) && chosen.every(isRipe)) found.push(chosen);
  }
  return found;
}
