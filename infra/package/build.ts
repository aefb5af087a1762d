import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { functionBuild } from '../function-build.ts';
import { type BundledPackage, bundledPackages } from './bundled-packages.ts';
import { buildCommand } from './command.ts';
import { buildConstruct } from './construct.ts';
import { buildDeclarations } from './declarations.ts';
import { licenses } from './licenses.ts';
import { manifest } from './manifest.ts';
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
    'CHANGELOG.md': await changelog(),
  };
  await Promise.all([
    ...Object.entries(texts).map(([name, text]) => writeFile(join(outdir, name), text)),
    ...['README.md', 'LICENSE'].map((name) => cp(join(root, name), join(outdir, name))),
    copyDocs(join(outdir, 'docs')),
  ]);
  return bundled;
}

/** The command's messages name these pages, and a machine without the internet has no others. */
async function copyDocs(outdir: string): Promise<void> {
  const pages = (await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md'));
  await mkdir(outdir);
  await Promise.all(pages.map((name) => cp(join(root, 'docs', name), join(outdir, name))));
}

/** Returns the changelog for the package's own folder, one above that of the pages to which it links. */
async function changelog(): Promise<string> {
  const text = await readFile(join(root, 'docs/changelog.md'), 'utf8');
  return text.replaceAll(/\]\((?=[\w-]+\.md)/g, '](docs/');
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
