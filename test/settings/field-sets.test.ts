import { describe, expect, it } from '@jest/globals';
import { fieldSetNames, fieldsOf, setOf } from '../../functions/settings/field-sets.ts';
import { officialDefaults, type ProfileName, profileNames } from '../../infra/local/embedded/harness-api/profiles.ts';

function fieldsOfProfile(profile: ProfileName): string[] {
  const { ci, iacm, idp, dbops = {} } = officialDefaults(profile);
  const tables = [...[ci, iacm, idp].flatMap((module) => Object.values(module)), dbops];
  return tables.flatMap((table) => Object.keys(table));
}

describe('sets of fields', () => {
  it.each(profileNames)('put every field of %s into exactly one set', (profile) => {
    const fields = fieldsOfProfile(profile);
    expect(fields.length).toBeGreaterThan(15);
    const counts = fields.map((field) => [
      field,
      fieldSetNames.filter((set) => fieldsOf([set]).includes(field)).length,
    ]);
    expect(counts.filter(([, count]) => count !== 1)).toEqual([]);
  });

  it('name only fields that some profile has', () => {
    const known = new Set(profileNames.flatMap(fieldsOfProfile));
    expect(fieldsOf(fieldSetNames).filter((field) => !known.has(field))).toEqual([]);
  });

  it('have no place for a field that Harness adds later', () => {
    expect(setOf('addonTag')).toBe('core');
    expect(setOf('newFeatureTag')).toBeUndefined();
  });
});
