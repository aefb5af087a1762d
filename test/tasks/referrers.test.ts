import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Image } from '../../infra/local/embedded/registry/storage.ts';
import { artifact } from '../oci/stored-images.ts';
import { type Factory, imageStatuses, ownWarnings, startFactory, statuses } from './factory.ts';

describe('referrers', () => {
  const cache = 'plugins/cache:1.10.12';
  const repository = 'plugins/cache';
  const notation = 'application/vnd.cncf.notary.signature';

  let factory: Factory;
  let signature: Image;
  beforeEach(async () => {
    factory = await startFactory({ samples: {} });
    const digest = factory.official(cache) ?? '';
    const stored = factory.source.storage.manifest(repository, digest);
    if (!stored) throw new TypeError();
    const { mediaType, bytes } = stored;
    signature = artifact(notation, Buffer.from('signature'), {
      digest,
      mediaType,
      bytes,
      blobs: new Map(),
      children: [],
    });
    factory.source.storage.putImage(repository, undefined, signature);
  });
  afterEach(() => factory.close());

  const sync = () => factory.sync({ include_fields: ['cacheS3Tag'], referrers: 'signatures' });
  const arrived = () => factory.target.storage.manifest(`mirror/${repository}`, signature.digest) !== undefined;

  describe('signatures of an image', () => {
    it('go along with it, and by themselves when they came later', async () => {
      expect(await sync()).toMatchObject({ status: 'SUCCEEDED' });
      expect(arrived()).toBe(true);
      factory.target.storage.deleteManifest(`mirror/${repository}`, signature.digest);
      await sync();
      expect(arrived()).toBe(true);
      expect(imageStatuses(await sync())).toEqual({ [cache]: 'skipped' });
    });

    it('warns about signatures that cannot be copied, by name, and copies and switches the image', async () => {
      factory.target.quirks.rejectSubject = 405;
      const report = await sync();
      expect(report.status).toBe('SUCCEEDED');
      expect(imageStatuses(report)).toEqual({ [cache]: 'copied' });
      expect(statuses(report)).toMatchObject({ 'ci K8 cacheS3Tag': 'updated' });
      expect(ownWarnings(report)).toEqual([
        expect.stringMatching(`^${cache}: ${notation} ${signature.digest} was not copied: .*405`),
      ]);
      expect(report.images[0]).not.toHaveProperty('warnings');
    });

    it('leave the pulls to images: they are not read when the limit leaves none', async () => {
      await factory.sync({ include_fields: ['cacheS3Tag'] });
      factory.source.requests.length = 0;
      factory.source.quirks.rateLimit = { limit: 100, windowSeconds: 21_600, remaining: 0 };
      const report = await sync();
      expect(report.status).toBe('SUCCEEDED');
      expect(report.warnings).toContainEqual(expect.stringContaining('leaves no pull for manifest'));
      expect(
        factory.source.requests.filter(({ method, path }) => method === 'GET' && path.includes('/manifests/')),
      ).toEqual([]);
    });

    it('reads each signature once, whatever the number of runs', async () => {
      await sync();
      factory.target.storage.deleteManifest(`mirror/${repository}`, signature.digest);
      factory.source.requests.length = 0;
      await sync();
      expect(arrived()).toBe(true);
      expect(factory.source.requests.filter(({ path }) => path.endsWith(`/manifests/${signature.digest}`))).toEqual([]);
    });
  });
});
