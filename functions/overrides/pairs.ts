import type { FieldChange, KeptField } from '../state/documents.ts';

/** Fields whose images run in the same pod and are versioned and tested together. */
export const pairs = [
  ['addonTag', 'liteEngineTag'],
  ['addonTagRootless', 'liteEngineTagRootless'],
] as const;

type Field = Pick<FieldChange, 'module' | 'infrastructureType' | 'field'>;

/** Returns whether two fields must be changed together or not at all. */
export function areCounterparts(a: Field, b: Field): boolean {
  const sameScope = a.module === b.module && a.infrastructureType === b.infrastructureType;
  return (
    sameScope &&
    a.field !== b.field &&
    pairs.some((pair) => pair.some((field) => field === a.field) && pair.some((field) => field === b.field))
  );
}

/** Divides changes into those to make and those to hold back, for their own reason or for their counterpart's. */
export function holdBack(
  changes: readonly FieldChange[],
  reasonFor: (change: FieldChange) => string | undefined,
): { changes: FieldChange[]; held: KeptField[] } {
  const result: { changes: FieldChange[]; held: KeptField[] } = { changes: [], held: [] };
  for (const change of changes) {
    const other = changes.find((candidate) => areCounterparts(candidate, change) && reasonFor(candidate) !== undefined);
    const reason =
      reasonFor(change) ?? (other && `moves together with ${other.field}, which is held back: ${reasonFor(other)}`);
    const { module, infrastructureType, field, from: value } = change;
    if (reason === undefined) result.changes.push(change);
    else result.held.push({ module, infrastructureType, field, value, reason });
  }
  return result;
}
