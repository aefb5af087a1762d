import { describe, expect, it } from '@jest/globals';
import type { FieldChange } from '../../functions/state/documents.ts';
import { areCounterparts, holdBack } from '../../functions/overrides/pairs.ts';

const change = (field: string, more: Partial<FieldChange> = {}): FieldChange => ({
  module: 'ci',
  infrastructureType: 'K8',
  field,
  from: 'old',
  to: 'new',
  image: `${field}:1`,
  ...more,
});
const failed =
  (...fields: string[]) =>
  ({ field }: FieldChange) =>
    fields.includes(field) ? 'failed' : undefined;

describe('addon and lite engine', () => {
  it.each([
    ['addonTag', 'liteEngineTag'],
    ['liteEngineTag', 'addonTag'],
    ['addonTagRootless', 'liteEngineTagRootless'],
  ])('holds %s back with %s', (broken, other) => {
    const { changes, held } = holdBack([change('gitCloneTag'), change(other), change(broken)], failed(broken));
    expect(changes.map(({ field }) => field)).toEqual(['gitCloneTag']);
    expect(held).toEqual([
      {
        module: 'ci',
        infrastructureType: 'K8',
        field: other,
        value: 'old',
        reason: `moves together with ${broken}, which is held back: failed`,
      },
      { module: 'ci', infrastructureType: 'K8', field: broken, value: 'old', reason: 'failed' },
    ]);
  });

  it('pairs addon and lite engine within one scope, apart from the rootless ones', () => {
    expect(areCounterparts(change('addonTag'), change('liteEngineTag'))).toBe(true);
    expect(areCounterparts(change('addonTag'), change('addonTag'))).toBe(false);
    expect(areCounterparts(change('addonTag'), change('liteEngineTagRootless'))).toBe(false);
    expect(areCounterparts(change('addonTag'), change('liteEngineTag', { infrastructureType: 'VM' }))).toBe(false);
    expect(areCounterparts(change('gitCloneTag'), change('addonTag'))).toBe(false);
  });

  it('keeps the own reason of each field of a pair', () => {
    const { held } = holdBack([change('addonTag'), change('liteEngineTag')], ({ field }) => `because of ${field}`);
    expect(held.map(({ reason }) => reason)).toEqual(['because of addonTag', 'because of liteEngineTag']);
  });
});

it('holds nothing back without a reason, and keeps the order of changes', () => {
  const changes = ['b', 'a', 'addonTag'].map((field) => change(field));
  expect(holdBack(changes, () => undefined)).toEqual({ changes, held: [] });
});
