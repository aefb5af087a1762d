import { isSameScope } from '../harness/scope.ts';
import { formatLocation } from '../oci/spec/reference.ts';
import { namesCopy, parseOverride } from '../overrides/override.ts';
import type { RunSettings } from '../settings/run-settings.ts';
import type { FieldChange, Plan } from '../state/documents.ts';
import { own } from '../text/own.ts';
import type { ScopeConfiguration } from '../overrides/scope-configuration.ts';

export interface FirstSwitch {
  /** The changes that the run may write. */
  changes: FieldChange[];
  /** True if Harness uses copies, wherever the run would switch it. */
  isDone: boolean;
  awaiting?: Plan['awaiting'];
}

/**
 * Divides the changes of a sync that a schedule started. Harness uses copies only where a person's sync has switched it
 * and no reset has undone that. Elsewhere, scheduled runs copy, and leave the switch to a person.
 */
export function leaveFirstSwitch(
  changes: readonly FieldChange[],
  scopes: readonly ScopeConfiguration[],
  settings: Pick<RunSettings, 'input' | 'registry' | 'formerRegistry'> & { startCommand: (input: object) => string },
): FirstSwitch {
  const { input, registry, formerRegistry, startCommand } = settings;
  const used = (location: typeof formerRegistry) =>
    location ? scopes.filter((scope) => usesCopies(scope, location)) : [];
  const switched = used(registry);
  const { left = [], now = [] } = Object.groupBy(changes, (change) =>
    switched.some((scope) => isSameScope(scope, change)) ? 'now' : 'left',
  );
  if (left.length === 0) return { changes: now, isDone: switched.length > 0 };
  const place = formatLocation(registry);
  const where = [...new Set(left.map(({ module, infrastructureType }) => `${module} ${infrastructureType}`))].join(
    ', ',
  );
  const isMove = used(formerRegistry).some((scope) => left.some((change) => isSameScope(scope, change)));
  const former = formerRegistry && isMove ? formatLocation(formerRegistry) : undefined;
  const reason = [
    `Harness was not switched at ${where}: the schedule started this run, and Harness uses no copy at ${place} there yet`,
    ...(former === undefined
      ? []
      : [`Harness uses the copies at ${former}. To keep them there, deploy with REGISTRY_NAME=${former}`]),
    'Once a person has switched it, scheduled runs switch too. With AUTO_SWITCH=always, they do not wait for that',
  ];
  const awaiting = { reason: `${reason.join('. ')}.`, command: startCommand(input), changes: left };
  return { changes: now, isDone: false, awaiting };
}

/** Returns whether an override of the scope names a copy of an official image at `location`. */
function usesCopies({ overrides, defaults }: ScopeConfiguration, location: RunSettings['registry']): boolean {
  return Object.entries(overrides).some(([field, value]) => {
    const official = parseOverride(own(defaults, field) ?? '')?.repository;
    return official !== undefined && namesCopy(value, official, location);
  });
}
