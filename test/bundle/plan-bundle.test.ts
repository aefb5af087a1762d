import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { fileCarrier, fileSource } from '../../functions/bundle/file-carrier.ts';
import { openBundle } from '../../functions/bundle/open-bundle.ts';
import { verifyBundle } from '../../functions/bundle/verify-bundle.ts';
import { writeTar } from '../../functions/bundle/write-tar.ts';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { storedImage } from '../oci/stored-images.ts';
import { folder, planSamples, registry, samples, signature, toBundle, useSamples } from './sample-bundle.ts';

useSamples();

describe('a plan of a bundle', () => {
  it('lists each manifest and blob once, with all that refers to the images', async () => {
    const { document, manifests, blobs } = await planSamples();
    const digests = document.blobs.map(([digest]) => digest);
    expect(new Set(digests).size).toBe(digests.length);
    expect(digests).toHaveLength(manifests.size + blobs.size);
    expect(document.images.map(({ image }) => image)).toEqual(
      Object.keys(samples)
        .map((name) => `docker.io/${name}`)
        .toSorted((a, b) => (a < b ? -1 : 1)),
    );
    const large = document.images.find(({ image }) => image.includes('large'));
    expect(large?.referrers.map(({ digest }) => digest)).toEqual([signature.digest]);
  });

  it('has one form, in whatever order the images were named', async () => {
    const reversed = await planSamples({}, Object.keys(samples).toReversed());
    expect(reversed.document).toEqual((await planSamples()).document);
  });

  it('leaves out the blobs that the target has, and no manifest', async () => {
    const whole = await planSamples();
    const leaveOut = new Set(whole.document.blobs.map(([digest]) => digest));
    const base = [{ id: whole.document.id, kind: 'receipt' as const }];
    const { document } = await writeTar(await planSamples({ leaveOut, base }), fileCarrier(join(folder, 'delta.tar')));
    expect(document.blobs).toHaveLength(whole.manifests.size);
    expect(document.absent.map(({ digest }) => digest).toSorted((a, b) => (a < b ? -1 : 1))).toEqual(
      [...whole.blobs.keys()].toSorted((a, b) => (a < b ? -1 : 1)),
    );
    expect(document.absent.every(({ reason }) => reason === 'base')).toBe(true);
    expect(document.id).not.toBe(whole.document.id);
    expect((await verifyBundle(await fileSource(join(folder, 'delta.tar')))).damages).toEqual([]);
    const bundle = await openBundle(await fileSource(join(folder, 'delta.tar')));
    const [missing] = whole.blobs.values();
    if (!missing) throw new Error('the plan has no blobs');
    const reading = async () => {
      for await (const _ of bundle.source('docker.io/plugins/large:1').blob(missing.blob));
    };
    await expect(reading()).rejects.toMatchObject({ name: 'ImageNotFound' });
    await bundle.close();
  });

  it('leaves out a Windows base layer that its source does not serve', async () => {
    const type = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';
    const image = storedImage([Buffer.from('foreign'), Buffer.from('own')], {
      foreign: { type, urls: ['https://example.com/layer'] },
    });
    const [, foreign = ''] = [...image.blobs.keys()];
    const served = new Map([...image.blobs].filter(([digest]) => digest !== foreign));
    registry.storage.putImage('harness/windows', '1', { ...image, blobs: served });
    const { document } = await planSamples({ images: [await toBundle('harness/windows:1')] });
    expect(document.absent).toEqual([{ digest: foreign as Digest, size: 7, reason: 'foreign' }]);
  });
});
