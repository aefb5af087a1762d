import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import { z } from 'zod';
import { root } from './root.ts';

/** A package of which bundles hold code. */
export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression. */
  readonly license: string;
  /** The package's own license and notice files, or the standard text of its license. */
  readonly texts: readonly string[];
}

const manifestSchema = z.object({ name: z.string(), version: z.string(), license: z.string() });
const standardTexts = join(import.meta.dirname, 'license-texts');

/**
 * Returns the packages of which the bundles hold code, by name and version.
 *
 * @throws {Error} for a package without a license.
 */
export function bundledPackages(metafiles: readonly Metafile[]): BundledPackage[] {
  const files = metafiles
    .flatMap(({ outputs }) => Object.values(outputs))
    .flatMap(({ inputs }) => Object.entries(inputs))
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .flatMap(([file]) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? []);
  const packages = [...new Set(files)].map((folder) => bundledPackage(join(root, folder)));
  const byId = new Map(packages.map((bundled) => [`${bundled.name}@${bundled.version}`, bundled]));
  return [...byId].toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([, bundled]) => bundled);
}

function bundledPackage(folder: string): BundledPackage {
  const { name, version, license } = manifestSchema.parse(readJson(join(folder, 'package.json')));
  const texts = readdirSync(folder)
    .filter((file) => /^(?:licen[sc]e|copying|notice)(?:[.-]|$)/i.test(file))
    .toSorted()
    .map((file) => readFileSync(join(folder, file), 'utf8').trim());
  return { name, version, license, texts: texts.length > 0 ? texts : [standardText(name, license)] };
}

/** Some packages name their license, and leave its text out. */
function standardText(name: string, license: string): string {
  try {
    return readFileSync(join(standardTexts, `${license}.txt`), 'utf8').trim();
  } catch (cause) {
    throw new Error(`${name} has no license file: add the text of ${license} to ${standardTexts}`, { cause });
  }
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}
