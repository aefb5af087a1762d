import { afterEach, describe, expect, it } from '@jest/globals';
import { type Factory, startFactory, ownWarnings } from './factory.ts';

let factory: Factory;
afterEach(() => factory.close());

describe('include_sets', () => {
  it('choose the fields of a purpose, together with include_fields, and exclude_fields wins', async () => {
    factory = await startFactory({ harness: { profile: 'saas-2026' } });
    const report = await factory.sync({
      include_sets: ['core', 'cache'],
      include_fields: ['plugins/s3'],
      exclude_fields: ['cacheProxyImage'],
    });
    expect(report.error).toBeUndefined();
    expect(ownWarnings(report)).toEqual([]);
    expect(Object.keys(factory.overrides()).toSorted()).toEqual([
      'addonTag',
      'cacheAzureTag',
      'cacheGCSTag',
      'cacheS3Tag',
      'cacheTag',
      'gitCloneTag',
      'liteEngineTag',
      's3UploadTag',
    ]);
  });

  it('report a field that is in no set, and leave it out', async () => {
    factory = await startFactory();
    factory.harness.setDefault('ci', 'K8', 'newFeatureTag', 'plugins/cache:1.10.12');
    const report = await factory.sync({ include_sets: 'sto' });
    expect(ownWarnings(report)).toEqual([
      '1 field is in no set and left out: newFeatureTag; include_fields can add it',
    ]);
    expect(Object.keys(factory.overrides())).toEqual(['securityTag']);
    const added = await factory.sync({ include_sets: 'sto', include_fields: ['newFeature*'] });
    expect(ownWarnings(added)).toEqual([]);
    expect(Object.keys(factory.overrides())).toEqual(['securityTag', 'newFeatureTag']);
  });

  it('limit a reset', async () => {
    factory = await startFactory();
    await factory.sync();
    await factory.run('reset', { include_sets: ['cache'] });
    expect(Object.keys(factory.overrides())).toEqual(['addonTag', 'liteEngineTag', 'gitCloneTag', 'securityTag']);
  });

  it.each(['sync', 'reset'])(
    'end a %s when a set has no field in the account, before anything is written',
    async (action) => {
      factory = await startFactory({ harness: { profile: 'self-managed' } });
      const { error } = await factory.run(action, { include_sets: ['core', 'idp'] });
      expect(error?.problems).toEqual([
        {
          path: '$.include_sets[1]',
          found: '"idp"',
          allowed: expect.stringMatching(
            /^a set with fields of these modules and infrastructure types, such as core, /,
          ),
        },
      ]);
      expect(factory.writes()).toEqual([]);
    },
  );
});
