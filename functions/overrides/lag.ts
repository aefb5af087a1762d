import { lastComponent } from '../oci/spec/reference.ts';
import { describeLag } from '../oci/spec/tag-order.ts';
import type { ConfigResult, FieldDefault } from '../state/documents.ts';
import { parseOverride } from './override.ts';

/** Returns by how much an override is older than Harness's default, such as `2 minor versions`; else `undefined`. */
export function lagOf(value: string | null, official: string): string | undefined {
  const [used, current] = [parseOverride(value ?? ''), parseOverride(official)];
  if (used?.tag === undefined || current?.tag === undefined) return undefined;
  // The namespace of a copy may be another one.
  return lastComponent(used.repository) === lastComponent(current.repository)
    ? describeLag(used.tag, current.tag)
    : undefined;
}

/** Returns how a field stands to Harness's default at the end of a run; `undefined` for one that is not behind. */
export function behindOf(
  value: string | null,
  { official, outdated, deprecated }: FieldDefault,
): ConfigResult['behind'] {
  const by = lagOf(value, official);
  if (by === undefined) return undefined;
  const harness =
    deprecated !== undefined && value === deprecated
      ? 'deprecated'
      : outdated !== undefined && parseOverride(value ?? '')?.tag === outdated
        ? 'outdated'
        : undefined;
  return { by, official, ...(harness && { harness }) };
}
