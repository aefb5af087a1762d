/** An operating system and processor, as in an index's descriptors (image-spec image-index.md). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

const part = /^[a-z0-9][a-z0-9._-]*$/;

/** Parses `os/architecture[/variant]`; `undefined` when it is not of that form. */
export function parsePlatform(text: string): Platform | undefined {
  const [os = '', architecture = '', variant, ...rest] = text.split('/');
  if (rest.length > 0 || ![os, architecture, variant ?? 'v'].every((p) => part.test(p))) return undefined;
  return variant === undefined ? { os, architecture } : { os, architecture, variant };
}

export function formatPlatform({ os, architecture, variant }: Platform): string {
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/** Whether an image for `offered` is wanted. A wish without variant takes every variant, and every `os.version`. */
export function platformMatches(wanted: Platform, offered: Platform): boolean {
  if (wanted.os !== offered.os || wanted.architecture !== offered.architecture) return false;
  return wanted.variant === undefined || variantOf(wanted) === variantOf(offered);
}

/** An index may leave out the variant that everybody means (containerd/platforms, `normalizeArch`). */
function variantOf({ architecture, variant }: Platform): string | undefined {
  return variant ?? { arm64: 'v8', arm: 'v7' }[architecture];
}
