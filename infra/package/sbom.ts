import type { BundledPackage } from './bundled-packages.ts';

/**
 * Returns the bill of materials, in CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json): the packages of which
 * `product` holds code. npm cannot list them, because they are no dependencies.
 */
export function billOfMaterials(
  product: { name: string; version: string; license: string },
  packages: readonly BundledPackage[],
) {
  const component = (type: 'application' | 'library', { name, version, license }: typeof product) => {
    const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
    return { type, 'bom-ref': purl, name, version, licenses: [{ expression: license }], purl };
  };
  const root = component('application', product);
  const components = packages.map((bundled) => component('library', bundled));
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: root },
    components,
    dependencies: [{ ref: root['bom-ref'], dependsOn: components.map((each) => each['bom-ref']) }],
  };
}
