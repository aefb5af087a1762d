import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { officialDefaults, profileNames } from '../../../infra/local/embedded/harness-api/profiles.ts';
import { imagesOf } from '../../../infra/local/embedded/harness-api/defaults.ts';
import {
  type OfficialSources,
  publishedImages,
  startOfficialSources,
} from '../../../infra/local/embedded/official-sources.ts';
import { resolveTag } from '../../../functions/oci/registry/manifests.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';
import { connect, disconnect } from '../../oci/connect.ts';

let sources: OfficialSources;
beforeAll(async () => {
  sources = await startOfficialSources();
});
afterAll(async () => {
  await disconnect();
  await sources.close();
});

/** The digest of an image at each source, pulled as the factory pulls. */
async function digests(image: string): Promise<(string | undefined)[]> {
  const [name = '', tag = ''] = image.split(':');
  return Promise.all(
    sources.addresses.map((address) => {
      const [host = '', ...path] = address.split('/');
      return resolveTag(new Repository(connect(host), [...path, name].join('/')), tag);
    }),
  );
}

describe('the official sources', () => {
  it('serves the sources in the order and below the paths of the factory', () => {
    const { gar, 'ecr-public': ecrPublic, 'docker-hub': dockerHub } = sources.registries;
    expect(sources.addresses).toEqual([
      `${gar.host}/gar-prod-setup/harness-public`,
      `${ecrPublic.host}/harness`,
      dockerHub.host,
    ]);
  });

  it('serve the same image to anyone, each below its path', async () => {
    const [image] = sources.publish(['harness/ci-addon:1'], { layerBytes: 100 });
    expect(await digests('harness/ci-addon:1')).toEqual([image?.digest, image?.digest, image?.digest]);
  });

  it('serves the images of the self-managed platform at Docker Hub only', async () => {
    const [image] = sources.publish(['harnesssecure/ci-addon:1'], { layerBytes: 100 });
    expect(await digests('harnesssecure/ci-addon:1')).toEqual([undefined, undefined, image?.digest]);
  });
});

it.each(profileNames)('publishes every image of %s, and versions of images that no field names', (profile) => {
  const published = publishedImages(profile);
  expect(published).toEqual(expect.arrayContaining(imagesOf(officialDefaults(profile))));
  expect(published.filter((image) => image.startsWith('plugins/email:'))).toHaveLength(5);
  expect(new Set(published).size).toBe(published.length);
});
