import type { Problem } from '../errors.ts';
import { isDigest } from '../oci/spec/digest.ts';
import type { RegistryLocation } from '../oci/spec/reference.ts';
import type { Configuration, GuardedKey } from './configuration.ts';
import type { InputKey, RunSettings } from './execution-input.ts';
import { own } from '../text/own.ts';
import { render } from './problems.ts';

/** Keys that only choose among options that the deployment trusts. A key in neither list is refused. */
const open: ReadonlySet<string> = new Set<InputKey>([
  'action',
  'allow_unmatched',
  'exclude_fields',
  'extra_sets',
  'include_fields',
  'include_sets',
  'include_windows_rootless',
  'infrastructure_type',
  'keep_versions',
  'max_concurrency',
  'modify_default',
  'modules',
  'on_partial_failure',
  'recheck_days',
  'referrers',
  'restore_run',
  'scan_allow',
  'scan_deadline_minutes',
  'scan_fail_on',
  'soak_days',
  'wait_for_scan',
]);

interface Guard {
  /** Returns whether a value stays within what the deployment trusts. */
  isHarmless: (settings: RunSettings, configuration: Configuration) => boolean;
  /** Description of the values that remain allowed. */
  allowed: string;
}

const guards: Readonly<Record<GuardedKey & InputKey, Guard>> = {
  extra_images: {
    isHarmless: ({ extraImages }) => extraImages.every(({ registry }) => registry === undefined),
    allowed: 'images without a registry',
  },
  pins: { isHarmless: ({ pins }) => !Object.values(pins).some(isDigest), allowed: 'tags' },
  platforms: { isHarmless: ({ platforms }) => platforms.length === 0, allowed: 'nothing' },
  prune: { isHarmless: ({ prune }) => !prune, allowed: 'false' },
  registry: {
    isHarmless: ({ registry }, configuration) => isAtOrBelow(registry, configuration.registry),
    allowed: 'the registry of the deployment, or a prefix below it',
  },
  reset_scope: { isHarmless: ({ resetScope }) => resetScope === 'ours', allowed: 'ours' },
  source_registry: { isHarmless: () => false, allowed: 'nothing' },
};

/**
 * Returns a problem for every key of a webhook's input that exceeds what the deployment grants the holder of a token.
 */
export function beyondTrust(settings: RunSettings, configuration: Configuration): Problem[] {
  return Object.entries(settings.input).flatMap(([key, value]): Problem[] => {
    if (open.has(key) || configuration.webhookAllow.some((allowed) => allowed === key)) return [];
    const guard = own<Guard>(guards, key);
    if (guard?.isHarmless(settings, configuration)) return [];
    const opening = guard ? `; WEBHOOK_ALLOW of the deployment can open ${key}` : '';
    return [
      { path: `$.${key}`, found: render(value), allowed: `${guard?.allowed ?? 'nothing'} from a webhook${opening}` },
    ];
  });
}

function isAtOrBelow({ registry, prefix }: RegistryLocation, trusted: RegistryLocation | undefined): boolean {
  if (trusted?.registry !== registry) return false;
  return trusted.prefix === '' || prefix === trusted.prefix || prefix.startsWith(`${trusted.prefix}/`);
}
