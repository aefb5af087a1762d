import { describe, expect, it } from '@jest/globals';
import {
  type BundleDocument,
  bundleDocument,
  bundleSchema,
  encodeDocument,
  parseDocument,
} from '../../functions/bundle/document.ts';
import { digestOf } from '../../functions/oci/spec/digest.ts';

const root = digestOf(Buffer.from('root'));
const layer = digestOf(Buffer.from('layer'));
const document = bundleDocument({
  createdAt: '2026-11-29T10:00:00.000Z',
  factory: '0.1.0',
  images: [
    {
      image: 'docker.io/harness/ci-addon:1.18.27',
      digest: root,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      source: 'gar',
      platforms: ['linux/amd64'],
      roles: [{ module: 'ci', infrastructureType: 'K8', field: 'addonTag' }],
      referrers: [],
    },
  ],
  blobs: [[root, 4, 512]],
  base: [{ id: 'earlier', kind: 'receipt' }],
  absent: [{ digest: layer, size: 5, reason: 'base' }],
  policy: { platforms: [], referrers: 'off', pins: { 'harness/ci-addon': '1.18.27' } },
});

const altered = (change: (value: BundleDocument) => object) =>
  Buffer.from(JSON.stringify(change(structuredClone(document))));
const refusal = (bytes: Uint8Array) => {
  try {
    parseDocument(bytes, 'x.tar: bundle.json');
  } catch (error) {
    return error;
  }
  throw new Error('it was accepted');
};

describe('bundle.json', () => {
  it('survives being written and read', () => {
    const bytes = encodeDocument(document);
    expect(parseDocument(bytes, 'x')).toEqual(document);
    expect(encodeDocument(parseDocument(bytes, 'x'))).toEqual(bytes);
  });

  it('has the same bytes and id for the same content, in whatever order its keys were set', () => {
    const reversed = Object.fromEntries(Object.entries(document).toReversed()) as BundleDocument;
    expect(encodeDocument(reversed)).toEqual(encodeDocument(document));
    expect(bundleDocument(reversed).id).toBe(document.id);
  });

  it('counts its images, blobs and bytes', () => {
    expect(document.totals).toEqual({ images: 1, blobs: 1, bytes: 4 });
  });

  it('keeps its id when only the time and the release differ', () => {
    expect(bundleDocument({ ...document, createdAt: '2027-01-01T00:00:00.000Z', factory: '9' }).id).toBe(document.id);
    expect(bundleDocument({ ...document, absent: [] }).id).not.toBe(document.id);
  });

  it('reports a newer factory as bad input', () => {
    const newer = altered((value) => ({ ...value, schema: 'harness-ci-image-factory/bundle/v2' }));
    expect(refusal(newer)).toMatchObject({
      name: 'InvalidInput',
      message: 'x.tar: bundle.json was made by a newer factory: its schema is "harness-ci-image-factory/bundle/v2"',
    });
  });

  it.each<[string, Uint8Array, string]>([
    ['no JSON', Buffer.from('{'), 'it is not JSON'],
    ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'it is not JSON'],
    ['deeply nested JSON', Buffer.from('['.repeat(200)), 'it is not JSON'],
    ['another document', Buffer.from('{}'), `its schema is no schema, not "${bundleSchema}"`],
    ['a key that this format lacks', altered((value) => ({ ...value, switch: true })), 'Unrecognized key: "switch"'],
    ['a digest that is a path', altered((v) => ({ ...v, blobs: [['../../x', 1, 0]] })), '$.blobs[0][0]: sha256:<64'],
    ['a negative size', altered((v) => ({ ...v, blobs: [[root, -1, 0]] })), '$.blobs[0][1]'],
    ['a size that no number holds', altered((v) => ({ ...v, blobs: [[root, 2 ** 60, 0]] })), '$.blobs[0][1]'],
    ['a name that is no reference', altered((v) => ({ ...v, images: [{ ...v.images[0], image: '../x' }] })), '.image'],
    ['spaces between its keys', Buffer.from(JSON.stringify(document, null, 1)), 'it is not in its canonical form'],
    ['a missing new line', encodeDocument(document).subarray(0, -1), 'it is not in its canonical form'],
    [
      'an id of other content',
      encodeDocument({ ...document, id: '0'.repeat(64) }),
      `the id of its content is ${document.id}`,
    ],
    [
      'wrong totals',
      encodeDocument({ ...document, totals: { images: 1, blobs: 1, bytes: 5 } }),
      'its totals are wrong',
    ],
    ['an excessive size', Buffer.alloc(32 * 1024 * 1024 + 1), 'it is larger than 33554432 bytes'],
  ])('refuses %s', (_, bytes, reason) => {
    const error = refusal(bytes);
    expect(error).toMatchObject({ name: 'BundleInvalid' });
    expect(String(error)).toContain(reason);
  });
});
