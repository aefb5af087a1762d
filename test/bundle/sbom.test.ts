import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Ajv } from 'ajv';
import { bundleDocument } from '../../functions/bundle/document.ts';
import { billOfMaterials } from '../../functions/bundle/sbom.ts';
import { type Digest, digestOf } from '../../functions/oci/spec/digest.ts';

const require = createRequire(import.meta.url);
/** The schemas of CycloneDX are in its own library. */
const library = dirname(require.resolve('@cyclonedx/cyclonedx-library/package.json'));
const schema = (name: string): object => JSON.parse(readFileSync(join(library, 'res/schema', name), 'utf8')) as object;

const ajv = new Ajv({
  strict: false,
  allErrors: true,
  formats: {
    'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/,
    'iri-reference': (text: string) => URL.canParse(text, 'http://base.example'),
    'idn-email': true,
    uri: (text: string) => URL.canParse(text),
  },
});
ajv.addSchema(schema('spdx.SNAPSHOT.schema.json'), 'http://cyclonedx.org/schema/spdx.SNAPSHOT.schema.json');
ajv.addSchema(schema('jsf-0.82.SNAPSHOT.schema.json'), 'http://cyclonedx.org/schema/jsf-0.82.SNAPSHOT.schema.json');
const validate = ajv.compile(schema('bom-1.6.SNAPSHOT.schema.json'));

const digest = digestOf(Buffer.from('root'));
const sha512 = digestOf(Buffer.from('root'), `sha512:${'0'.repeat(128)}` as Digest);
const signature = digestOf(Buffer.from('signature'));
const common = {
  mediaType: 'application/vnd.oci.image.index.v1+json',
  source: 'gar',
  platforms: ['linux/amd64', 'linux/arm64/v8'],
  roles: [],
  referrers: [{ digest: signature, mediaType: 'application/vnd.oci.image.manifest.v1+json' }],
};
const document = bundleDocument({
  createdAt: '2026-11-29T10:00:00.000Z',
  factory: '0.1.0',
  images: [
    { ...common, image: 'docker.io/harness/ci-addon:1.18.27', digest },
    { ...common, image: 'docker.io/harness/ci-addon:1.18.28', digest },
    { ...common, image: `registry.example:5000/a/b_c@${sha512}`, digest: sha512, source: 'registry.example:5000' },
  ],
  blobs: [[digest, 4, 512]],
  base: [],
  absent: [],
  policy: { platforms: [], referrers: 'all', pins: {} },
});
const bill = (changed: Partial<typeof document> = {}) =>
  JSON.parse(billOfMaterials({ ...document, ...changed }).toString()) as Record<string, unknown> & {
    components: Record<string, unknown>[];
  };

describe('the bill of materials of a bundle', () => {
  it('conforms to the JSON schema of CycloneDX 1.6', () => {
    expect(validate(bill()) ? [] : validate.errors).toEqual([]);
    // The schema itself is at work.
    expect(validate({ ...bill(), components: [{ type: 'container' }] })).toBe(false);
  });

  it('has one component for each image, with its digest and its source', () => {
    const property = (key: string, value: string) => ({ name: `harness-ci-image-factory:${key}`, value });
    const purl = `pkg:oci/ci-addon@${digest}?repository_url=docker.io%2Fharness%2Fci-addon&tag=1.18.27`;
    expect(bill().components[0]).toEqual({
      type: 'container',
      'bom-ref': purl,
      'mime-type': 'application/vnd.oci.image.index.v1+json',
      name: 'docker.io/harness/ci-addon',
      version: '1.18.27',
      hashes: [{ alg: 'SHA-256', content: digest.slice(7) }],
      purl,
      properties: [
        property('source', 'gar'),
        property('platform', 'linux/amd64'),
        property('platform', 'linux/arm64/v8'),
        property('referrer', signature),
      ],
    });
    expect(bill().components.map((component) => component['purl'])).toEqual([
      purl,
      purl.replace('1.18.27', '1.18.28'),
      `pkg:oci/b_c@${sha512}?repository_url=registry.example:5000%2Fa%2Fb_c`,
    ]);
  });

  it('names an image without a tag by its digest, in SHA-512 too', () => {
    expect(bill().components[2]).toMatchObject({
      version: sha512,
      hashes: [{ alg: 'SHA-512', content: sha512.slice(7) }],
    });
  });

  it('refers to every component once, from the bundle', () => {
    const { components, dependencies, metadata } = bill() as ReturnType<typeof bill> & {
      metadata: { component: object };
    };
    const refs = components.map((component) => component['bom-ref']);
    expect(new Set(refs).size).toBe(3);
    expect(dependencies).toEqual([{ ref: `bundle:${document.id}`, dependsOn: refs }]);
    expect(metadata.component).toMatchObject({ 'bom-ref': `bundle:${document.id}`, version: document.id });
  });

  it('has the same bytes for the same bundle, and another serial number for another', () => {
    expect(billOfMaterials(structuredClone(document))).toEqual(billOfMaterials(document));
    const later = bill({ createdAt: '2026-11-30T10:00:00.000Z' });
    expect(later['serialNumber']).toMatch(/^urn:uuid:[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
    expect(later['serialNumber']).not.toBe(bill()['serialNumber']);
  });

  it('conforms to the schema without images, too', () => {
    expect(validate(bill({ images: [] })) ? [] : validate.errors).toEqual([]);
  });
});
