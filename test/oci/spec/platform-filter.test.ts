import { describe, expect, it } from '@jest/globals';
import { digestOf } from '../../../functions/oci/spec/digest.ts';
import { mediaTypes } from '../../../functions/oci/spec/media-type.ts';
import { parsePlatform } from '../../../functions/oci/spec/platform.ts';
import { filterPlatforms } from '../../../functions/oci/spec/platform-filter.ts';
import { blob, imageDocument, indexDocument, manifestOf } from '../documents.ts';

const child = (name: string, os: string, architecture: string, more: object = {}) => ({
  ...blob(name, mediaTypes.ociManifest),
  platform: { os, architecture },
  ...more,
});
const amd64 = child('amd64', 'linux', 'amd64');
const arm64 = child('arm64', 'linux', 'arm64');
const windows = {
  ...child('windows', 'windows', 'amd64'),
  platform: { os: 'windows', architecture: 'amd64', 'os.version': '10.0' },
};
const about = (subject: { digest: string }) =>
  child(`attestation of ${subject.digest}`, 'unknown', 'unknown', {
    annotations: { 'vnd.docker.reference.type': 'attestation-manifest', 'vnd.docker.reference.digest': subject.digest },
  });
const nested = blob('nested', mediaTypes.ociIndex);
const index = manifestOf(
  indexDocument([amd64, arm64, windows, about(amd64), about(arm64)], { annotations: { kept: 'yes' } }),
);

const wish = (...texts: string[]) => texts.map(parsePlatform);
const digests = (manifests: readonly { digest: string }[]) => manifests.map(({ digest }) => digest);

describe('the platform filter', () => {
  it('keeps wanted images and their attestations, in the order of the index', () => {
    const filtered = filterPlatforms(index, wish('linux/arm64', 'windows/amd64'));
    expect(digests(filtered.manifests)).toEqual(digests([arm64, windows, about(arm64)]));
  });

  it('keeps unknown fields', () => {
    const filtered = filterPlatforms(index, wish('windows/amd64'));
    expect(JSON.parse(Buffer.from(filtered.bytes).toString())).toEqual(
      indexDocument([windows], { annotations: { kept: 'yes' } }),
    );
    expect(filtered.digest).toBe(digestOf(filtered.bytes));
  });

  it('gives the same digest for the same platforms in any order', () => {
    const one = filterPlatforms(index, wish('linux/amd64', 'linux/arm64'));
    const two = filterPlatforms(index, wish('linux/arm64', 'linux/amd64', 'linux/amd64'));
    expect(two.digest).toBe(one.digest);
    expect(two.digest).not.toBe(index.digest);
  });

  it('returns the index itself, digest unchanged, when nothing is left out', () => {
    expect(filterPlatforms(index, wish('linux/amd64', 'linux/arm64', 'windows/amd64'))).toBe(index);
    expect(filterPlatforms(index, [])).toBe(index);
  });

  it('returns an image without an index unchanged', () => {
    const image = manifestOf(imageDocument());
    expect(filterPlatforms(image, wish('linux/s390x'))).toBe(image);
  });

  it('keeps nested indexes, whose platforms are unknown', () => {
    const filtered = filterPlatforms(manifestOf(indexDocument([amd64, arm64, nested])), wish('linux/amd64'));
    expect(digests(filtered.manifests)).toEqual(digests([amd64, nested]));
  });

  it('names the offered platforms when none is left', () => {
    expect(() => filterPlatforms(index, wish('linux/s390x', 'linux/ppc64le'))).toThrow(
      expect.objectContaining({
        name: 'ImageNotFound',
        message: `${index.digest} offers none of linux/s390x, linux/ppc64le`,
        hint: 'Choose a platform that it offers: linux/amd64, linux/arm64, windows/amd64.',
        topic: 'platforms',
      }),
    );
    expect(() =>
      filterPlatforms(manifestOf(indexDocument([blob('x', mediaTypes.ociManifest)])), wish('linux/amd64')),
    ).toThrow(expect.objectContaining({ hint: 'Choose no platform, because its index names none.' }));
  });

  it('escapes hostile platform names', () => {
    const hostile = manifestOf(indexDocument([child('x', '\u001b[2J', 'y'.repeat(10_000))]));
    expect(() => filterPlatforms(hostile, wish('linux/amd64'))).toThrow(
      expect.objectContaining({ hint: expect.stringMatching(/^[ -~…]{1,400}$/) }),
    );
  });
});
