import semver from 'semver';
import { TextSyntaxError } from '../../text/text-syntax-error.ts';

/** Versions of an image, in the notation of npm: `^1`, `~1.2`, `>=1.2 <2`, `*`. */
export interface VersionRange {
  /** As given. */
  readonly text: string;
  readonly accepts: (version: semver.SemVer) => boolean;
}

const maxRangeLength = 100;

/** Parses a range. Throws `TextSyntaxError`. */
export function parseVersionRange(text: string): VersionRange {
  if (text.length > maxRangeLength)
    throw new TextSyntaxError(`the version range is longer than ${maxRangeLength} characters`);
  if (/[\dxX*]-/.test(text))
    throw new TextSyntaxError(`the version range "${text}" has a suffix: ranges choose among plain versions`);
  const range = text.trim() === '' ? null : semver.validRange(text);
  if (range === null)
    throw new TextSyntaxError(`"${text}" is neither a tag nor a version range (^1, ~1.2, >=1.2 <2, *)`);
  const parsed = new semver.Range(range);
  return { text, accepts: (version) => parsed.test(version) };
}

/**
 * Matches the tags that count as versions: two or three numbers, `v` in front allowed, zeros in front of a number too
 * (`26.08.89806`). Tags with a suffix are variants or previews (`1.2.3-linux-amd64`, `2.0.0-rc.1`). One number may be a
 * build or a day. None of these counts.
 */
const versionTag = /^v?(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?$/;

/**
 * Returns the tags that are versions within the range, the newest first. Of tags with one version, such as `1.2` and
 * `1.2.0`, the one with more numbers comes first: the other moves.
 */
export function versionsWithin(range: VersionRange, tags: readonly string[]): string[] {
  return tags
    .flatMap((tag) => {
      const [, major, minor, patch] = versionTag.exec(tag) ?? [];
      if (major === undefined) return [];
      const version = new semver.SemVer([major, minor, patch ?? 0].map(Number).join('.'));
      return range.accepts(version) ? [{ tag, version, isWhole: patch !== undefined }] : [];
    })
    .toSorted(
      (a, b) => b.version.compare(a.version) || Number(b.isWhole) - Number(a.isWhole) || (a.tag < b.tag ? -1 : 1),
    )
    .map(({ tag }) => tag);
}
