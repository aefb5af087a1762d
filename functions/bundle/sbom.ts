import { createHash } from 'node:crypto';
import type { Digest } from '../oci/spec/digest.ts';
import { formatReference, parseReference } from '../oci/spec/reference.ts';
import { type BundledImage, type BundleDocument, encodeDocument } from './document.ts';

const factory = 'harness-ci-image-factory';

/**
 * Returns the bill of materials of a bundle, `NAME.sbom.cdx.json`, in CycloneDX 1.6
 * (https://cyclonedx.org/docs/1.6/json): a component for each image. The packages in an image are in its own
 * attestations, which the bundle carries. The same document gives the same bytes, on both sides of the gap.
 */
export function billOfMaterials(document: BundleDocument): Buffer {
  const components = document.images.map(componentOf);
  const bundle = { type: 'file', 'bom-ref': `bundle:${document.id}`, name: 'bundle', version: document.id };
  const bill = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(encodeDocument(document))}`,
    version: 1,
    metadata: {
      timestamp: document.createdAt,
      tools: { components: [{ type: 'application', name: factory, version: document.factory }] },
      component: bundle,
    },
    components,
    dependencies: [{ ref: bundle['bom-ref'], dependsOn: components.map((component) => component['bom-ref']) }],
  };
  return Buffer.from(`${JSON.stringify(bill, null, 2)}\n`);
}

function componentOf({ image, digest, mediaType, source, platforms, referrers }: BundledImage) {
  const reference = parseReference(image);
  const name = formatReference({ ...reference, tag: undefined, digest: undefined });
  const purl = purlOf(name, digest, reference.tag);
  const property = (key: string) => (value: string) => ({ name: `${factory}:${key}`, value });
  return {
    type: 'container',
    'bom-ref': purl,
    'mime-type': mediaType,
    name,
    version: reference.tag ?? digest,
    hashes: [hashOf(digest)],
    purl,
    properties: [
      property('source')(source),
      ...platforms.map(property('platform')),
      ...referrers.map((referrer) => property('referrer')(referrer.digest)),
    ],
  };
}

/** https://github.com/package-url/purl-spec/blob/main/types-doc/oci-definition.md */
function purlOf(name: string, digest: Digest, tag: string | undefined): string {
  const qualifiers = [`repository_url=${encoded(name)}`, ...(tag === undefined ? [] : [`tag=${encoded(tag)}`])];
  return `pkg:oci/${encoded(name.slice(name.lastIndexOf('/') + 1))}@${encoded(digest)}?${qualifiers.join('&')}`;
}

/** Colons are never encoded in a package URL. */
function encoded(text: string): string {
  return encodeURIComponent(text).replaceAll('%3A', ':');
}

function hashOf(digest: Digest): { alg: string; content: string } {
  const [algorithm = '', content = ''] = digest.split(':');
  return { alg: algorithm.replace('sha', 'SHA-'), content };
}

/** Returns a UUID that is made of a hash (version 8, RFC 9562), the same for the same bytes. */
function uuidOf(bytes: Uint8Array): string {
  const hex = createHash('sha256').update(bytes).digest('hex');
  const variant = ((Number.parseInt(hex.slice(16, 18), 16) & 0x3f) | 0x80).toString(16);
  const groups = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, variant + hex.slice(18, 20)];
  return [...groups, hex.slice(20, 32)].join('-');
}
