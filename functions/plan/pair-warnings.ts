import { isSameScope } from '../harness/scope.ts';
import { lastComponent } from '../oci/spec/reference.ts';
import { parseOverride } from '../overrides/override.ts';
import { pairs } from '../overrides/pairs.ts';
import type { ScopeConfiguration } from '../overrides/scope-configuration.ts';
import type { RunSettings } from '../settings/run-settings.ts';
import type { FieldChange } from '../state/documents.ts';
import { own } from '../text/own.ts';

/**
 * Returns a warning for each pair that would run at two versions after the run, where Harness has both at one. A pin of
 * one field does that, and so do fields that the run leaves out. Images of other names are not compared.
 */
export function pairWarnings(
  scopes: readonly ScopeConfiguration[],
  changes: readonly FieldChange[],
  { action, modifyDefault }: Pick<RunSettings, 'action' | 'modifyDefault'>,
): string[] {
  const written = modifyDefault || action === 'reset' || action === 'restore' ? changes : [];
  return scopes.flatMap((scope) =>
    pairs.flatMap(([first, second]): string[] => {
      const [a, b] = [versionsOf(first, scope, written), versionsOf(second, scope, written)];
      if (!a || !b || a.official !== b.official || a.used === b.used) return [];
      return [
        `${scope.module} ${scope.infrastructureType}: ${first} at ${a.used} and ${second} at ${b.used} run in the same pod, but Harness releases both at one version. Pin both or neither, and leave out both or neither`,
      ];
    }),
  );
}

/** Returns the tags of Harness's image of a field and of the one in use; `undefined` for another image, or a digest. */
function versionsOf(
  field: string,
  scope: ScopeConfiguration,
  changes: readonly FieldChange[],
): { official: string; used: string } | undefined {
  const change = changes.find((each) => each.field === field && isSameScope(each, scope));
  const override = change ? change.to : own(scope.overrides, field);
  const official = parseOverride(own(scope.defaults, field) ?? '');
  const used = override === null || override === undefined ? official : parseOverride(override);
  if (official?.tag === undefined || used?.tag === undefined) return undefined;
  // The namespace of a copy may be another one.
  const isSame = lastComponent(official.repository) === lastComponent(used.repository);
  return isSame ? { official: official.tag, used: used.tag } : undefined;
}
