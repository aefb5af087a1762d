import { describe, expect, it } from '@jest/globals';
import { mediaTypes } from '../../functions/oci/spec/media-type.ts';
import { platformManifests } from '../../functions/scan/platform-manifests.ts';
import { blob, descriptorOf, imageDocument, indexDocument, manifestOf, reader } from '../oci/documents.ts';

const platform = (os: string, architecture: string) => ({ platform: { os, architecture } });
const amd64 = manifestOf(imageDocument([blob('amd64')]));
const arm64 = manifestOf(imageDocument([blob('arm64')]));
const attestation = manifestOf(imageDocument([blob('in-toto')]));

describe('the scanned manifests of an image', () => {
  it('scans the image itself when it is no index', async () => {
    expect(await platformManifests(amd64, reader().read)).toEqual([amd64.digest]);
  });

  it('scans each platform of an index once, and no attestation, however it is marked', async () => {
    const index = manifestOf(
      indexDocument([
        descriptorOf(amd64, platform('linux', 'amd64')),
        descriptorOf(arm64, platform('linux', 'arm64')),
        descriptorOf(amd64, platform('linux', 'amd64')),
        descriptorOf(attestation, platform('unknown', 'unknown')),
        descriptorOf(attestation, { annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } }),
      ]),
    );
    const { read, reads } = reader();
    expect(await platformManifests(index, read)).toEqual([amd64.digest, arm64.digest]);
    expect(reads).toEqual([]);
  });

  it('scans the images of a nested index', async () => {
    const inner = manifestOf(indexDocument([descriptorOf(arm64)]));
    const index = manifestOf(indexDocument([descriptorOf(amd64), descriptorOf(inner)]));
    expect(await platformManifests(index, reader(inner).read)).toEqual([amd64.digest, arm64.digest]);
  });

  it('terminates on nested indexes without end', async () => {
    const endless = manifestOf(indexDocument([{ mediaType: mediaTypes.ociIndex, digest: amd64.digest, size: 1 }]));
    await expect(platformManifests(endless, async () => endless)).rejects.toMatchObject({ name: 'ManifestInvalid' });
  });
});
