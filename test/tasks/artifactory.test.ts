import { afterEach, describe, expect, it } from '@jest/globals';
import { profile } from '../../infra/local/embedded/registry/profiles.ts';
import { type Factory, imageStatuses, startFactory } from './factory.ts';

describe('Artifactory', () => {
  const cache = 'plugins/cache:1.10.12';
  let factory: Factory;
  afterEach(() => factory.close());

  describe('Artifactory, which answers 403 for what is missing', () => {
    it('copies to an Artifactory under any name', async () => {
      factory = await startFactory({ samples: {}, target: { quirks: profile('artifactory') } });
      const report = await factory.sync({ include_fields: ['cacheS3Tag'] });
      expect(report.error).toBeUndefined();
      expect(imageStatuses(report)).toEqual({ [cache]: 'copied' });
      expect(factory.arrived(cache)).toBe(factory.official(cache));
    });

    it('explains that a source may answer 403 for a missing image', async () => {
      factory = await startFactory({ samples: {}, source: { quirks: profile('artifactory') } });
      const [repository = '', tag = ''] = cache.split(':');
      factory.source.storage.deleteTag(repository, tag);
      for (const action of ['plan', 'sync']) {
        const report = await factory.run(action, { include_fields: ['cacheS3Tag'] });
        expect(report.images).toMatchObject([{ image: cache, status: 'failed', error: { name: 'RegistryForbidden' } }]);
      }
      expect(factory.overrides()).toEqual({});
    });
  });
});
