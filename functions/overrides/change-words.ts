import type { ConfigScope } from '../harness/scope.ts';

/** A change of one field. `null` stands for "no override". */
interface Change extends ConfigScope {
  field: string;
  from: string | null;
  to: string | null;
}

/**
 * Describes what changes do, the largest group first: `46 fields of ci K8 → registry.example.com/harness`,
 * `ci-addon, ci-lite-engine 1.18.22 → 1.18.27`. Names at most `most` groups, and counts the fields of the others.
 */
export function changesInWords(changes: readonly Change[], most = 3): string {
  const groups = [...Map.groupBy(changes, kindOf).values()].toSorted((a, b) => b.length - a.length);
  // One more is as short as its count.
  const named = groups.length === most + 1 ? groups : groups.slice(0, most);
  const rest = groups.slice(named.length).flat().length;
  return [...named.map(describe), ...(rest > 0 ? [`${rest} more ${rest === 1 ? 'field' : 'fields'}`] : [])].join('; ');
}

/** The parts of a value: `registry.example.com/harness`, `harness/ci-addon`, `1.18.27`. The place may be empty. */
interface Parts {
  place: string;
  name: string;
  version: string;
}

/** Divides a value into its parts. */
export function partsOf(value: string): Parts {
  const segments = value.split('/');
  const [, last = '', version = ''] = /^(.*?)((?::[^:@]*)?(?:@.*)?)$/.exec(segments.at(-1) ?? '') ?? [];
  return {
    place: segments.slice(0, -2).join('/'),
    name: [...segments.slice(-2, -1), last].join('/'),
    version: version.replace(/^[:@]/, ''),
  };
}

const harness = "Harness's own";

/** Returns a key that changes of one kind share. */
function kindOf({ module, infrastructureType, from, to }: Change): string {
  const [before, after] = [from === null ? undefined : partsOf(from), to === null ? undefined : partsOf(to)];
  const isUpdate = before && after && before.place === after.place && before.name === after.name;
  if (isUpdate) return JSON.stringify([before.version, after.version]);
  return JSON.stringify([module, infrastructureType, before?.place ?? null, after?.place ?? null]);
}

function describe(group: readonly Change[]): string {
  const [first] = group;
  if (!first) return '';
  const { module, infrastructureType, from, to } = first;
  const [before, after] = [from === null ? undefined : partsOf(from), to === null ? undefined : partsOf(to)];
  if (before && after && before.place === after.place && before.name === after.name) {
    const names = [...new Set(group.map((change) => partsOf(change.to ?? '').name.replace(/^.*\//, '')))];
    const images = names.length > 3 ? `${names.slice(0, 2).join(', ')} and ${names.length - 2} more` : names.join(', ');
    return `${images} ${before.version} → ${after.version}`;
  }
  const count = `${group.length} ${group.length === 1 ? 'field' : 'fields'} of ${module} ${infrastructureType}`;
  const origin = before && after ? `: ${before.place || relative}` : '';
  return `${count}${origin} → ${after ? after.place || relative : harness}`;
}

/** The place of values without a registry, which each connector adds. */
const relative = "each connector's registry";
