import { type ConfigScope, isSameScope } from '../harness/scope.ts';
import { formatReference, type ImageName, type RegistryLocation, relocate } from '../oci/spec/reference.ts';
import type { FieldChange, KeptField, Snapshot } from '../state/documents.ts';
import { isForeign, namesCopy, isOurs, type Owners, parseOverride } from '../overrides/override.ts';
import { areCounterparts, holdBack } from '../overrides/pairs.ts';
import type { RipeVersion } from './soak.ts';
import type { ScopeConfiguration } from '../overrides/scope-configuration.ts';
import { fieldFilter, type SelectedField } from './selection.ts';
import { own } from '../text/own.ts';

export interface Changes {
  changes: FieldChange[];
  kept: KeptField[];
}

export interface SyncSettings extends Owners {
  /** Also removes our overrides of fields that Harness no longer has. */
  prune: boolean;
  /** The day until which a soaking image must wait, by image key. */
  soaking: ReadonlyMap<string, string>;
  /** Ripe versions for fields whose image, or the image of their counterpart, soaks. */
  ripe: ReadonlyMap<SelectedField, RipeVersion>;
  /** Soaking images whose tag at the registry still points at another image. */
  heldTags: ReadonlySet<string>;
  /** Images that get their tag, which is in use, only after their scan. */
  unscanned?: ReadonlySet<string> | undefined;
  /** Globs on fields that the factory does not change. */
  excludeFields: readonly string[];
}

/**
 * Returns the changes of `sync`: every selected field points at its copy, unless the user pointed it somewhere else.
 */
export function syncChanges(
  fields: readonly SelectedField[],
  scopes: readonly ScopeConfiguration[],
  settings: SyncSettings,
): Changes {
  const wanted: FieldChange[] = [];
  const kept: KeptField[] = [];
  for (const selected of fields) {
    const { module, infrastructureType, field, image, override } = selected;
    const key = formatReference(image);
    const ripe = settings.ripe.get(selected);
    const to = ripe?.value ?? formatReference(relocate(image, settings.registry));
    const row = { module, infrastructureType, field };
    if (override !== undefined && isForeign(override, image, settings)) {
      kept.push({ ...row, value: override, reason: 'points at another registry' });
    } else if (override === to && settings.heldTags.has(key)) {
      const reason = `${key} was moved; the new one soaks until ${settings.soaking.get(key)}`;
      kept.push({ ...row, value: override, reason });
    } else if (override === to && !ripe && settings.unscanned?.has(key)) {
      kept.push({
        ...row,
        value: override,
        image: key,
        reason: `${key} has a new image; the tag gets it after its scan`,
      });
    } else if (override === to) {
      kept.push({ ...row, value: override, ...(ripe ? { reason: waiting(selected) } : { image: key }) });
    } else {
      wanted.push({ ...row, from: override ?? null, to, image: ripe?.key ?? key });
    }
  }
  /** Returns the reason for a field to stay at its ripe version: its own, or that of its counterpart. */
  function waiting(selected: SelectedField): string {
    const until = ({ image }: SelectedField) => settings.soaking.get(formatReference(image));
    const own = until(selected);
    if (own !== undefined) return `${formatReference(selected.image)} soaks until ${own}`;
    const other = fields.find((each) => areCounterparts(each, selected));
    return `moves together with ${other?.field}, which soaks until ${other && until(other)}`;
  }
  const { changes, held } = holdBack(wanted, ({ image = '' }) => {
    const until = settings.soaking.get(image);
    return until === undefined ? undefined : `${image} soaks until ${until}`;
  });
  const chosen = fieldFilter({ includeFields: [], excludeFields: settings.excludeFields });
  const stale = staleOverrides(scopes, settings.registry).filter(({ field }) => chosen(field, undefined));
  if (settings.prune) return { changes: [...changes, ...stale], kept: [...kept, ...held] };
  const reason = 'Harness no longer has this field; prune: true removes it';
  const left = stale.map(({ from, to: _, ...row }): KeptField => ({ ...row, value: from, reason }));
  return { changes, kept: [...kept, ...held, ...left] };
}

export interface ResetSettings {
  registry: RegistryLocation;
  formerRegistry: RegistryLocation | undefined;
  resetScope: 'ours' | 'all';
  chosen: (field: string, image: ImageName | undefined) => boolean;
}

/** Returns the changes of `reset`: removes overrides, either those at our registry or all of them. */
export function resetChanges(scopes: readonly ScopeConfiguration[], settings: ResetSettings): Changes {
  const result: Changes = { changes: [], kept: [] };
  for (const scope of scopes) {
    for (const [field, value] of Object.entries(scope.overrides)) {
      const row = { ...scopeOf(scope), field };
      const official = parseOverride(own(scope.defaults, field) ?? '');
      if (!settings.chosen(field, official))
        result.kept.push({ ...row, value, reason: 'left out by include_fields or exclude_fields' });
      else if (
        settings.resetScope === 'ours' &&
        !isOurs(value, settings.registry) &&
        !(official && settings.formerRegistry && namesCopy(value, official.repository, settings.formerRegistry))
      )
        result.kept.push({ ...row, value, reason: 'does not point at our registry; reset_scope: all removes it too' });
      else result.changes.push({ ...row, from: value, to: null });
    }
  }
  return result;
}

/** Returns the changes of `restore`: sets the overrides exactly as a snapshot has them. */
export function restoreChanges(scopes: readonly ScopeConfiguration[], snapshot: Snapshot): Changes {
  const result: Changes = { changes: [], kept: [] };
  for (const before of snapshot.scopes) {
    const now = scopes.find((scope) => isSameScope(scope, before))?.overrides ?? {};
    for (const field of new Set([...Object.keys(before.overrides), ...Object.keys(now)])) {
      const row = { ...scopeOf(before), field };
      const [from, to] = [own(now, field) ?? null, own(before.overrides, field) ?? null];
      if (from === to) result.kept.push({ ...row, value: to });
      else result.changes.push({ ...row, from, to });
    }
  }
  return result;
}

function scopeOf({ module, infrastructureType }: ConfigScope): ConfigScope {
  return { module, infrastructureType };
}

/** Returns our overrides of fields that Harness no longer has. */
function staleOverrides(scopes: readonly ScopeConfiguration[], registry: RegistryLocation): FieldChange[] {
  return scopes.flatMap((scope) =>
    Object.entries(scope.overrides)
      .filter(([field, value]) => !Object.hasOwn(scope.defaults, field) && isOurs(value, registry))
      .map(([field, value]) => ({ ...scopeOf(scope), field, from: value, to: null })),
  );
}
