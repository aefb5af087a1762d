import type { BundledPackage } from './bundled-packages.ts';

/** Returns the licenses of the packages that bundles hold, as one text. Minified code keeps none of them. */
export function licenses(packages: readonly BundledPackage[]): string {
  const rule = `\n\n${'-'.repeat(80)}\n\n`;
  const sections = packages.map(({ name, version, license, texts }) =>
    [`${name} ${version} (${license})`, ...texts].join('\n\n'),
  );
  return `${['This package holds code of the packages below.', ...sections].join(rule)}\n`;
}
