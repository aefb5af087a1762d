import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Registry, startRegistry } from '../../infra/local/embedded/registry/server.ts';
import { pushSamples, sampleOf } from '../../infra/local/embedded/sample-images.ts';
import { type Factory, k8Images, ownWarnings, startFactory } from './factory.ts';

describe('the limits of a registry', () => {
  const windowSeconds = 21_600;
  const layerBytes = 300;
  const cache = 'plugins/cache:1.10.12';
  /** Manifests of the sample: its root and its children. */
  const pullsOf = (image: string) => 1 + sampleOf(image, { layerBytes }).children.length;

  let factory: Factory;
  /** Counts pulls, as Docker Hub does. */
  let hub: Registry;
  let other: Registry;

  beforeEach(async () => {
    [factory, other] = await Promise.all([startFactory({ samples: {} }), startRegistry()]);
    hub = factory.source;
    pushSamples(other, k8Images, { layerBytes, slim: true });
  });
  afterEach(() => Promise.all([factory.close(), other.close()]));

  function leave(remaining: number, registry = hub): void {
    registry.quirks.rateLimit = { limit: 100, windowSeconds, remaining };
  }

  /** Takes the image away from the second source. */
  const remove = () => other.storage.deleteRepository('plugins/cache');

  /** Counts the manifests that were read. */
  const pulled = (registry: Registry) =>
    registry.requests.filter(({ method, path }) => method === 'GET' && path.includes('/manifests/')).length;

  const run = (action: 'plan' | 'sync', more: object = {}) =>
    factory.run(action, { include_fields: ['cacheS3Tag'], source_registry: [hub.host, other.host], ...more });

  describe('an image', () => {
    it('comes from the first source as long as its pull limit leaves what the image needs', async () => {
      leave(pullsOf(cache));
      const report = await run('plan');
      expect(report.images).toMatchObject([{ image: cache, source: `${hub.host}/${cache}`, status: 'planned' }]);
      expect([pulled(hub), pulled(other)]).toEqual([pullsOf(cache), 0]);
    });

    it('comes from the next source that has the same, when that is not so', async () => {
      leave(pullsOf(cache) - 1);
      const report = await run('sync');
      expect(report).toMatchObject({ status: 'SUCCEEDED', images: [{ source: `${other.host}/${cache}` }] });
      expect(factory.arrived(cache)).toBe(factory.official(cache));
      // Before its root is read nobody knows what it needs.
      expect([pulled(hub), pulled(other)]).toEqual([1, pullsOf(cache) - 1]);
      expect(hub.requests.filter(({ path }) => path.includes('/blobs/'))).toEqual([]);
    });

    it('sends no request to a source without pulls left', async () => {
      leave(0);
      expect((await run('sync')).status).toBe('SUCCEEDED');
      expect([pulled(hub), pulled(other)]).toEqual([0, pullsOf(cache)]);
    });

    it('comes from the one after, when the next source leaves too little as well', async () => {
      leave(0);
      leave(pullsOf(cache) - 1, other);
      const third = await startRegistry();
      pushSamples(third, [cache], { layerBytes, slim: true });
      const report = await run('plan', { source_registry: [hub.host, other.host, third.host] });
      await third.close();
      expect(report.images[0]?.source).toBe(`${third.host}/${cache}`);
      expect([pulled(hub), pulled(other), pulled(third)]).toEqual([0, 1, pullsOf(cache) - 1]);
    });

    it.each([
      [
        'has another image',
        () => (remove(), void pushSamples(other, [cache], { layerBytes, slim: true, revision: 1 })),
      ],
      ['does not have it', () => remove()],
      ['does not answer', () => void other.faults.add({ match: { times: 99 }, act: { status: 500 } })],
      ['has as little left', () => leave(0, other)],
    ])('stays with the first source, and says so, when the next one %s', async (_, prepare) => {
      leave(pullsOf(cache) - 1);
      prepare();
      const report = await run('plan');
      expect(report.images).toMatchObject([{ source: `${hub.host}/${cache}`, status: 'failed' }]);
      expect(report.images[0]?.error).toMatchObject({ name: 'RegistryThrottled' });
      expect(report.warnings).toContain(
        `${hub.host} has too few manifest pulls left for ${cache}, and no other source has the same images`,
      );
    });

    it('needs no pulls for manifests that an earlier run read', async () => {
      leave(50);
      await run('plan');
      leave(0);
      hub.requests.length = 0;
      const report = await run('plan');
      expect(report.images).toMatchObject([{ source: `${hub.host}/${cache}`, status: 'planned' }]);
      expect([pulled(hub), pulled(other)]).toEqual([0, 0]);
      expect(ownWarnings(report)).toEqual([`${hub.host}: 0 of 100 manifest pulls left in 6 h`]);
    });

    it('needs no pulls for platforms that are left out', async () => {
      leave(2);
      const report = await run('plan', { platforms: ['linux/amd64'] });
      expect(report.images).toMatchObject([{ source: `${hub.host}/${cache}`, status: 'planned' }]);
    });
  });

  it('images that are planned at once are not promised the same pulls', async () => {
    const needed = k8Images.reduce((sum, image) => sum + pullsOf(image), 0);
    leave(needed - 1);
    const report = await factory.sync({ source_registry: [hub.host, other.host] });
    expect(report.status).toBe('SUCCEEDED');
    expect(hub.requests.filter(({ status }) => status === 429)).toEqual([]);
    expect(pulled(hub) + pulled(other)).toBe(needed);
    expect(report.images.filter(({ source }) => source?.startsWith(other.host))).toHaveLength(1);
  });

  describe('a pull limit', () => {
    it('reports once a pull limit of which less than a fifth is left', async () => {
      leave(12 + pullsOf(cache));
      const report = await run('plan', { extra_images: ['harness/sto-plugin:latest'] });
      const left = 12 - pullsOf('harness/sto-plugin:latest');
      expect(ownWarnings(report)).toEqual([`${hub.host}: ${left} of 100 manifest pulls left in 6 h`]);
    });

    it('does not report a pull limit of which a fifth is left', async () => {
      leave(20 + pullsOf(cache));
      expect(ownWarnings(await run('plan'))).toEqual([]);
    });

    it('does not report the pull limit of a source that it did not need', async () => {
      leave(0, other);
      expect(ownWarnings(await run('plan'))).toEqual([]);
    });

    it.each([
      [60, '1 min'],
      [90, '90 s'],
      [86_400, '24 h'],
    ])('formats a pull limit of %d seconds as %s', async (seconds, words) => {
      hub.quirks.rateLimit = { limit: 100, windowSeconds: seconds, remaining: 10 + pullsOf(cache) };
      expect(ownWarnings(await run('plan'))).toEqual([`${hub.host}: 10 of 100 manifest pulls left in ${words}`]);
    });
  });
});
