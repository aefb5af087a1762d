import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FactoryError } from '../../../functions/errors.ts';
import { digestOf } from '../../../functions/oci/spec/digest.ts';
import { manifestLimits, parseManifest } from '../../../functions/oci/spec/manifest.ts';
import { mediaTypes } from '../../../functions/oci/spec/media-type.ts';
import { blob, bytesOf, config, imageDocument, indexDocument } from '../documents.ts';

const layer = blob('layer');
const child = {
  ...blob('child', mediaTypes.ociManifest),
  platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
};

function parse(document: unknown, contentType?: string) {
  return parseManifest(bytesOf(document), contentType);
}

function errorOf(document: unknown, contentType?: string): { name: string; message: string } {
  try {
    parse(document, contentType);
  } catch (error) {
    if (error instanceof FactoryError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('a manifest', () => {
  it.each([mediaTypes.ociManifest, mediaTypes.dockerManifest])(
    'lists the config and layers of a manifest of type %s',
    (mediaType) => {
      const manifest = parse(imageDocument([layer, layer], { mediaType }));
      expect(manifest).toMatchObject({ mediaType, manifests: [], blobs: [config, layer, layer], subject: undefined });
    },
  );

  it.each([mediaTypes.ociIndex, mediaTypes.dockerList])('lists the children of type %s', (mediaType) => {
    const manifest = parse(indexDocument([child], { mediaType }));
    expect(manifest).toMatchObject({ mediaType, blobs: [], manifests: [child] });
  });

  it('lists the blobs of an artifact, if any, and its subject', () => {
    const mediaType = mediaTypes.ociArtifact;
    expect(parse({ mediaType, blobs: [layer], subject: child })).toMatchObject({ blobs: [layer], subject: child });
    expect(parse({ mediaType })).toMatchObject({ blobs: [], subject: undefined });
  });

  it('keeps the bytes and their digest', () => {
    const bytes = Buffer.from(`\n ${JSON.stringify(imageDocument(), null, 7)}\n\n`);
    const manifest = parseManifest(bytes, undefined, digestOf(bytes));
    expect(manifest.bytes).toBe(bytes);
    expect(manifest.digest).toBe(digestOf(bytes));
  });

  it('can be requested by sha512', () => {
    const bytes = bytesOf(imageDocument());
    const digest = digestOf(bytes, `sha512:${'0'.repeat(128)}` as never);
    expect(parseManifest(bytes, undefined, digest).digest).toBe(digest);
  });

  it.each([
    [imageDocument([layer], { mediaType: undefined }), mediaTypes.dockerManifest, mediaTypes.dockerManifest],
    [
      imageDocument([layer], { mediaType: undefined }),
      `${mediaTypes.ociManifest}; charset=utf-8`,
      mediaTypes.ociManifest,
    ],
    [imageDocument([layer], { mediaType: undefined }), undefined, mediaTypes.ociManifest],
    [indexDocument([child], { mediaType: undefined }), 'application/json', mediaTypes.ociIndex],
    [imageDocument(), 'application/octet-stream', mediaTypes.ociManifest],
  ])('takes a missing type from the Content-Type, or else from the document', (document, served, mediaType) => {
    expect(parse(document, served).mediaType).toBe(mediaType);
  });

  it('refuses other bytes than the requested ones', () => {
    const asked = digestOf(Buffer.from('other'));
    expect(() => parseManifest(bytesOf(imageDocument()), undefined, asked)).toThrow(
      expect.objectContaining({ name: 'DigestMismatch', message: expect.stringContaining(asked) }),
    );
  });

  it.each([
    ['an image with children', imageDocument([layer], { manifests: [child] }), undefined],
    ['an index with layers', indexDocument([child], { layers: [layer] }), undefined],
    ['an index with a config', indexDocument([child], { config }), undefined],
    ['an index with blobs', indexDocument([child], { blobs: [layer] }), undefined],
    ['an image served as an index', imageDocument(), mediaTypes.ociIndex],
    ['an index served as an image', indexDocument([child]), mediaTypes.dockerManifest],
    ['an untyped index served as an image', indexDocument([child], { mediaType: undefined }), mediaTypes.ociManifest],
    ['an artifact with children', { mediaType: mediaTypes.ociArtifact, manifests: [child] }, undefined],
  ])('refuses a document of two kinds, CVE-2021-41190: %s', (_, document, contentType) => {
    expect(errorOf(document, contentType)).toMatchObject({
      name: 'ManifestInvalid',
      message: expect.stringContaining('both an index and an image'),
    });
  });

  it.each([
    [{ schemaVersion: 1, fsLayers: [] }, undefined],
    [{ schemaVersion: 2 }, 'application/vnd.docker.distribution.manifest.v1+prettyjws'],
    [{ schemaVersion: 1 }, 'application/vnd.docker.distribution.manifest.v1+json'],
  ])('refuses schema 1', (document, contentType) => {
    expect(errorOf(document, contentType)).toMatchObject({
      name: 'ManifestUnsupported',
      message: expect.stringContaining('schema 1'),
    });
  });

  it.each([
    ['', 'not JSON'],
    ['<html>', 'not JSON'],
    ['[]', 'not a JSON object'],
    ['null', 'not a JSON object'],
    ['"x"', 'not a JSON object'],
    [imageDocument([{ ...layer, digest: 'sha256:00' as never }]), 'layers[0].digest'],
    [imageDocument([layer, { ...layer, size: -1 }]), 'layers[1].size'],
    [imageDocument([{ ...layer, size: 1.5 }]), 'layers[0].size'],
    [imageDocument([{ ...layer, size: 2 ** 53 }]), 'layers[0].size'],
    [imageDocument([{ ...layer, size: '5' as never }]), 'layers[0].size'],
    [imageDocument([{ ...layer, mediaType: undefined as never }]), 'layers[0].mediaType'],
    [imageDocument([null as never]), 'layers[0] is not a descriptor'],
    [imageDocument({} as never), 'layers is not a list'],
    [imageDocument([layer], { layers: undefined }), 'layers is not a list'],
    [imageDocument([layer], { config: undefined }), 'config is not a descriptor'],
    [imageDocument([layer], { subject: 7 }), 'subject is not a descriptor'],
    [indexDocument([{ ...child, digest: '../../blobs' }]), 'manifests[0].digest'],
    [indexDocument({} as never), 'manifests is not a list'],
  ])('refuses a malformed manifest, and names the place: %j, %s', (document, message) => {
    expect(errorOf(document)).toMatchObject({ name: 'ManifestInvalid', message: expect.stringContaining(message) });
  });

  it('refuses bytes that are not UTF-8', () => {
    const bytes = Buffer.from(JSON.stringify(imageDocument([], { annotations: { a: 'é' } })), 'latin1');
    expect(() => parseManifest(bytes, undefined)).toThrow(expect.objectContaining({ name: 'ManifestInvalid' }));
  });

  it('refuses an unknown type, and escapes it', () => {
    const { name, message } = errorOf({ mediaType: `\u001b[2J\u202e${'x'.repeat(10_000)}` });
    expect(name).toBe('ManifestUnsupported');
    expect(message).toMatch(/^[ -~…]{1,500}$/);
    expect(errorOf({})).toMatchObject({ name: 'ManifestUnsupported', message: expect.stringContaining('no type') });
  });

  it('refuses more descriptors than any image has', () => {
    const layers = Array.from({ length: manifestLimits.descriptors + 1 }, () => layer);
    expect(errorOf(imageDocument(layers))).toMatchObject({
      name: 'ManifestInvalid',
      message: expect.stringContaining(`at most ${manifestLimits.descriptors}`),
    });
  });

  it('parses any JSON or refuses it with a FactoryError', () => {
    const mediaType = fc.constantFrom(undefined, ...Object.values(mediaTypes), 'other');
    const descriptor = fc.oneof(fc.constant(layer), fc.constant(child), fc.jsonValue());
    const list = fc.oneof(fc.array(descriptor), fc.jsonValue());
    const some = { requiredKeys: [] };
    const document = fc.record(
      { mediaType, config: descriptor, layers: list, manifests: list, blobs: list, subject: descriptor },
      some,
    );
    fc.assert(
      fc.property(document, mediaType, (value, contentType) => {
        try {
          const manifest = parse(value, contentType);
          expect(manifest.manifests.length === 0 || manifest.blobs.length === 0).toBe(true);
        } catch (error) {
          expect(['ManifestInvalid', 'ManifestUnsupported']).toContain((error as Error).name);
        }
      }),
      { numRuns: 500 },
    );
  });
});
