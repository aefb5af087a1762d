import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { functionBuild } from '../function-build.ts';
import { type BundledPackage, bundledPackages } from './bundled-packages.ts';
import { buildCommand } from './command.ts';
import { buildConstruct } from './construct.ts';
import { buildDeclarations } from './declarations.ts';
import { licenses } from './licenses.ts';
import { manifest } from './manifest.ts';
import { writePages } from './pages.ts';
import { root } from './root.ts';
import { billOfMaterials } from './sbom.ts';

/** The folder that `npm run build:package` writes. */
export const packageFolder = join(root, 'dist/package');

/**
 * Builds the package in `outdir`, ready for `npm pack`: the command in `bin/`, the construct and the functions in
 * `lib/`. The repository's own package.json is not published: it has dependencies that the bundles need no more.
 *
 * @returns the packages of which the bundles hold code
 */
export async function buildPackage(outdir: string): Promise<BundledPackage[]> {
  await rm(outdir, { recursive: true, force: true });
  const lib = join(outdir, 'lib');
  const [functions, construct, command] = await Promise.all([
    build(functionBuild(join(lib, 'functions'))),
    buildConstruct(lib),
    buildCommand(join(outdir, 'bin')),
  ]);
  buildDeclarations(lib);
  const bundled = bundledPackages([functions.metafile, construct, command]);
  const published = manifest();
  const texts = {
    'package.json': json(published),
    'sbom.cdx.json': json(billOfMaterials(published, bundled)),
    'THIRD-PARTY-LICENSES.txt': licenses(bundled),
  };
  await Promise.all([
    ...Object.entries(texts).map(([name, text]) => writeFile(join(outdir, name), text)),
    cp(join(root, 'LICENSE'), join(outdir, 'LICENSE')),
    writePages(outdir),
  ]);
  return bundled;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
