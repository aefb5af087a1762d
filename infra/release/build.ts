import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import release from '../../package.json' with { type: 'json' };
import { buildPackage } from '../package/build.ts';
import { root } from '../package/root.ts';
import { changelogSection } from './changelog-section.ts';
import { writeChecksums } from './checksums.ts';
import { writeTemplates } from './templates.ts';

/** Writes all that belongs to a release to an empty folder. `packageFolder` gets the package that is packed. */
export async function buildRelease(outdir: string, packageFolder: string): Promise<void> {
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(outdir, { recursive: true });
  await buildPackage(packageFolder);
  execFileSync('npm', ['pack', packageFolder, '--silent', '--ignore-scripts', '--pack-destination', outdir]);
  for (const name of ['sbom.cdx.json', 'LICENSE', 'THIRD-PARTY-LICENSES.txt'])
    cpSync(join(packageFolder, name), join(outdir, name));
  const changelog = readFileSync(join(root, 'docs/changelog.md'), 'utf8');
  writeFileSync(join(outdir, 'CHANGES.md'), changelogSection(changelog, release.version));
  writeTemplates(outdir);
  writeChecksums(outdir);
}
