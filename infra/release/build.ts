import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import release from '../../package.json' with { type: 'json' };
import { buildPackage } from '../package/build.ts';
import { root } from '../package/root.ts';
import { changelogSection } from './changelog-section.ts';
import { writeChecksums } from './checksums.ts';
import { writeExecutables } from './executables.ts';
import { writeTemplates } from './templates.ts';

/**
 * Writes all that belongs to a release to an empty folder. `packageFolder` gets the package that is packed. Executables take
 * a minute, and the Node.js of other platforms, so they are made only when asked for.
 */
export async function buildRelease(
  outdir: string,
  packageFolder: string,
  { executables = false }: { executables?: boolean } = {},
): Promise<void> {
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(outdir, { recursive: true });
  await buildPackage(packageFolder);
  execFileSync('npm', ['pack', packageFolder, '--silent', '--ignore-scripts', '--pack-destination', outdir]);
  for (const name of ['sbom.cdx.json', 'LICENSE', 'THIRD-PARTY-LICENSES.txt'])
    cpSync(join(packageFolder, name), join(outdir, name));
  const changelog = readFileSync(join(root, 'docs/changelog.md'), 'utf8');
  writeFileSync(join(outdir, 'CHANGES.md'), changelogSection(changelog, release.version));
  writeTemplates(outdir);
  if (executables) await writeExecutables(outdir);
  writeChecksums(outdir);
}
