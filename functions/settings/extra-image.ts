import { formatReference, type ImageName, isTag, parseImageName } from '../oci/spec/reference.ts';
import { parseVersionRange, type VersionRange } from '../oci/spec/version-range.ts';
import { TextSyntaxError } from '../text/text-syntax-error.ts';

/** An image to copy that no field names: one version of it, or the newest version within a range. */
export interface ExtraImage extends ImageName {
  /** Set for a range; then the image has neither tag nor digest. */
  readonly range?: VersionRange;
}

/**
 * Parses `[host/]namespace/name[:tag|:range|@digest]`. Text that is a tag is read as one: `1.x` is a tag, `^1` a range.
 *
 * @throws {TextSyntaxError}
 */
export function parseExtraImage(text: string): ExtraImage {
  const colon = text.lastIndexOf(':');
  const version = text.slice(colon + 1);
  const isPlain = colon <= text.lastIndexOf('/') || text.includes('@') || isTag(version);
  if (isPlain || version !== version.trim()) return parseImageName(text);
  const name = parseImageName(text.slice(0, colon));
  if (name.tag !== undefined) throw new TextSyntaxError('it has a tag and a version range');
  return { ...name, range: parseVersionRange(version) };
}

export function formatExtraImage(image: ExtraImage): string {
  return image.range === undefined ? formatReference(image) : `${formatReference(image)}:${image.range.text}`;
}
