import type { Problem } from '../errors.ts';
import { isDigest } from '../oci/spec/digest.ts';
import type { Configuration, GuardedKey } from './configuration.ts';
import type { Action, InputKey } from './input-schema.ts';
import type { RunSettings } from './run-settings.ts';
import { own } from '../text/own.ts';
import { render } from './problems.ts';
import { isAtOrBelow } from './registry-location.ts';

interface Guard {
  /** Returns whether a value stays within what the deployment trusts. */
  isHarmless: (settings: RunSettings, configuration: Configuration) => boolean;
  /** Description of the values that remain allowed. */
  allowed: string;
}

/**
 * The rule for each key of the input. A key is open when it only chooses among images, fields and checks that the
 * deployment trusts. It has a guard when a value of it can make Harness or its stages pull anything else, write or
 * delete anything else, or leave out a part of an image. A guarded key belongs in `guardedKeys`, so that
 * WEBHOOK_ALLOW can open it. The webhook itself sets a key that is its own. A key without a rule does not compile.
 */
const rules: {
  readonly [Key in InputKey]: Key extends GuardedKey ? Guard : Key extends 'started_by' ? 'own' : 'open' | Guard;
} = {
  action: {
    isHarmless: ({ action }, { webhookAllow }) => !carries(action) || webhookAllow.includes(action),
    allowed: 'another action',
  },
  allow_unmatched: 'open',
  bundle: {
    // An export writes to the address, and what an import reads there is what Harness is switched to.
    isHarmless: ({ action }, { webhookAllow }) => webhookAllow.includes(grantOf(action)),
    allowed: 'nothing',
  },
  exclude_fields: 'open',
  extra_images: {
    isHarmless: ({ extraImages }) => extraImages.every(({ registry }) => registry === undefined),
    allowed: 'images without a registry',
  },
  extra_sets: 'open',
  images: {
    isHarmless: ({ images = [] }) => images.every(({ image }) => image.registry === undefined),
    allowed: 'images without a registry',
  },
  include_fields: 'open',
  include_sets: 'open',
  include_windows_rootless: 'open',
  infrastructure_type: 'open',
  keep_versions: 'open',
  manage_connector: { isHarmless: ({ manageConnector }) => !manageConnector, allowed: 'false' },
  max_concurrency: 'open',
  modify_default: 'open',
  modules: 'open',
  on_partial_failure: 'open',
  override_values: { isHarmless: ({ overrideValues }) => overrideValues === 'absolute', allowed: 'absolute' },
  pins: { isHarmless: ({ pins }) => !Object.values(pins).some(isDigest), allowed: 'tags' },
  platforms: { isHarmless: ({ platforms }) => platforms.length === 0, allowed: 'nothing' },
  prune: { isHarmless: ({ prune }) => !prune, allowed: 'false' },
  recheck_days: 'open',
  referrers: 'open',
  registry: {
    isHarmless: ({ registry }, { registry: trusted }) => trusted !== undefined && isAtOrBelow(registry, trusted),
    allowed: 'the registry of the deployment, or a prefix below it',
  },
  reset_scope: { isHarmless: ({ resetScope }) => resetScope === 'ours', allowed: 'ours' },
  restore_run: 'open',
  scan_allow: 'open',
  scan_deadline_minutes: 'open',
  scan_fail_on: 'open',
  soak_days: 'open',
  source_registry: { isHarmless: () => false, allowed: 'nothing' },
  started_by: 'own',
  wait_for_scan: 'open',
};

/** Returns whether an action carries images between networks. WEBHOOK_ALLOW grants each of the two by its name. */
function carries(action: Action): action is 'export' | 'import' {
  return action === 'export' || action === 'import';
}

/** Returns the grant for the use of a bundle. Whoever may import one may look at it first. */
function grantOf(action: Action): 'export' | 'import' {
  return action === 'export' ? 'export' : 'import';
}

/**
 * Returns a problem for every key of a webhook's input that exceeds what the deployment grants the holder of a token.
 */
export function beyondTrust(settings: RunSettings, configuration: Configuration): Problem[] {
  return Object.entries(settings.input).flatMap(([key, value]): Problem[] => {
    const rule = own<Guard | 'open' | 'own'>(rules, key);
    if (rule === 'open' || configuration.webhookAllow.some((allowed) => allowed === key)) return [];
    const guard = rule === 'own' ? undefined : rule;
    if (guard?.isHarmless(settings, configuration)) return [];
    const grant = key === 'action' || key === 'bundle' ? grantOf(settings.action) : key;
    const opening = guard ? `; WEBHOOK_ALLOW of the deployment can open ${grant}` : '';
    return [
      { path: `$.${key}`, found: render(value), allowed: `${guard?.allowed ?? 'nothing'} from a webhook${opening}` },
    ];
  });
}
