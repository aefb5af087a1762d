import { TextSyntaxError } from '../../text/text-syntax-error.ts';

/** An operating system and processor, as in an index's descriptors (image-spec image-index.md). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

const part = /^[a-z0-9][a-z0-9._-]*$/;
const maxPlatformLength = 128;

/** Parses `os/architecture[/variant]`. Throws `TextSyntaxError`. */
export function parsePlatform(text: string): Platform {
  if (text.length > maxPlatformLength) {
    throw new TextSyntaxError(`it is longer than ${maxPlatformLength} characters`);
  }
  const parts = text.split('/');
  const [os = '', architecture = '', variant] = parts;
  if (parts.length < 2 || parts.length > 3) {
    throw new TextSyntaxError(`it has ${parts.length === 1 ? '1 part' : `${parts.length} parts`}, not 2 or 3`);
  }
  const bad = parts.find((each) => !part.test(each));
  if (bad !== undefined) {
    throw new TextSyntaxError(`"${bad}" is not lower-case letters and digits, joined by ".", "_" or "-"`);
  }
  return variant === undefined ? { os, architecture } : { os, architecture, variant };
}

export function formatPlatform({ os, architecture, variant }: Platform): string {
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/** Returns whether `wanted` includes `offered`. Without a variant it includes every variant and every `os.version`. */
export function platformMatches(wanted: Platform, offered: Platform): boolean {
  if (wanted.os !== offered.os || wanted.architecture !== offered.architecture) return false;
  return wanted.variant === undefined || variantOf(wanted) === variantOf(offered);
}

const impliedVariants: ReadonlyMap<string, string> = new Map([
  ['arm64', 'v8'],
  ['arm', 'v7'],
]);

/** An index may omit the default variant (containerd/platforms, `normalizeArch`). */
function variantOf({ architecture, variant }: Platform): string | undefined {
  return variant ?? impliedVariants.get(architecture);
}
