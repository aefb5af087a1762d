import { expect, it } from '@jest/globals';
import { platformSizes } from '../../functions/plan/platform-sizes.ts';
import { type Image, loadImage } from '../../functions/oci/spec/image.ts';
import { blob, descriptorOf, imageDocument, indexDocument, manifestOf, reader } from '../oci/documents.ts';

/** An index with an image of one layer for each platform. */
async function indexOf(layers: Readonly<Record<string, string>>): Promise<Image> {
  const parts = Object.entries(layers).map(([platform, content]) => {
    const [os, architecture] = platform.split('/');
    return { manifest: manifestOf(imageDocument([blob(content)])), platform: { os, architecture } };
  });
  const index = manifestOf(indexDocument(parts.map(({ manifest, platform }) => descriptorOf(manifest, { platform }))));
  return loadImage(index, reader(...parts.map(({ manifest }) => manifest)).read);
}

it('lists the largest platform first, those of one size by name, and attestations under their own name', async () => {
  const image = await indexOf({
    'linux/arm64': 'layer-b',
    'linux/amd64': 'layer-a',
    'windows/amd64': 'a base layer of Windows',
    'unknown/unknown': 'in',
  });
  const single = await loadImage(manifestOf(imageDocument([blob('x')])), reader().read);
  expect(Object.entries(platformSizes([{ image }, { image: single }, {}]))).toEqual([
    ['windows/amd64', 25],
    ['linux/amd64', 9],
    ['linux/arm64', 9],
    ['attestations', 4],
    ['other', 3],
  ]);
});

it('counts a layer of two images once for each platform', async () => {
  const image = await indexOf({ 'linux/amd64': 'shared' });
  const other = await indexOf({ 'linux/amd64': 'shared', 'linux/arm64': 'shared' });
  expect(platformSizes([{ image }, { image: other }])).toEqual({ 'linux/amd64': 8, 'linux/arm64': 8 });
});
