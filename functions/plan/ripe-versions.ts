import type { SeenVersion } from '../state/first-seen.ts';
import type { SelectedField } from './selection.ts';

/** A field of a group, with the versions that Harness offered for it, the current one last. */
export interface Offered {
  field: SelectedField;
  versions: readonly SeenVersion[];
  /** Index of the oldest version that the field may be switched to: the one in use. */
  oldest: number;
}

/** A field, with a version that it can be switched to. */
interface Switchable {
  field: SelectedField;
  version: SeenVersion;
}

/**
 * Returns the versions that fields can be switched to together, the newest first: one version for each field, all ripe,
 * none older than the one in use, and all offered by Harness at the same time.
 */
export function ripeVersions(
  group: readonly Offered[],
  isRipe: (version: SeenVersion) => boolean,
): (readonly Switchable[])[] {
  const times = new Set(group.flatMap(({ versions }) => versions.map(({ since }) => Date.parse(since))));
  const found: Switchable[][] = [];
  for (const time of [...times].toSorted((a, b) => b - a)) {
    const chosen = group.flatMap(({ field, versions, oldest }) => {
      const index = versions.findLastIndex(({ since }) => Date.parse(since) <= time);
      const version = index < oldest ? undefined : versions[index];
      return version && isRipe(version) ? [{ field, version }] : [];
    });
    if (chosen.length === group.length) found.push(chosen);
  }
  return found;
}
