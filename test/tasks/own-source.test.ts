import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { storedImage } from '../oci/stored-images.ts';
import { type Factory, k8, startFactory, statuses } from './factory.ts';

describe('our registry as a source', () => {
  const addon = k8['addonTag'] as string;
  const [repository = '', tag = ''] = addon.split(':');

  let factory: Factory;
  beforeEach(async () => {
    factory = await startFactory({ samples: {} });
  });
  afterEach(() => factory.close());

  /** An image that was not copied: a template of Harness built it. */
  const built = storedImage([Buffer.from('with our CA')]);
  const input = () => ({ source_registry: factory.registry, include_fields: 'addonTag' });

  describe('a sync whose only source is the registry itself', () => {
    it('copies nothing, and switches Harness to the image that is there', async () => {
      factory.target.storage.putImage(`mirror/${repository}`, tag, built);
      const report = await factory.sync(input());
      expect(report).toMatchObject({ status: 'SUCCEEDED', totals: { copied: 0, repaired: 0, skipped: 1 } });
      expect(statuses(report)['ci K8 addonTag']).toBe('updated');
      expect(factory.arrived(addon)).toBe(built.digest);
      expect(factory.overrides()).toEqual({ addonTag: factory.copyOf(addon) });
    });

    it('switches nothing when the image is missing', async () => {
      const report = await factory.sync(input());
      expect(report.status).toBe('FAILED');
      expect(report.images[0]?.error?.name).toBe('ImageNotFound');
      expect(factory.overrides()).toEqual({});
    });

    it('refuses the registry beside other sources, which would copy images onto themselves', async () => {
      const sources = [factory.registry, factory.source.host];
      expect((await factory.sync({ source_registry: sources })).error?.problems).toMatchObject([
        { path: '$.source_registry', allowed: expect.stringContaining('onto themselves') },
      ]);
    });
  });
});
