import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import release from '../../package.json' with { type: 'json' };
import { buildExecutable } from '../executable/build.ts';
import { platforms } from '../executable/node-binary.ts';

/** Writes the command for those without Node.js to a folder: an archive for each platform, with its licenses. */
export async function writeExecutables(outdir: string): Promise<void> {
  for (const platform of platforms) {
    const folder = await buildExecutable(platform);
    const archive = join(outdir, `${release.name}-${release.version}-${platform}.tar.gz`);
    execFileSync('tar', ['-czf', archive, '-C', folder, ...readdirSync(folder)]);
  }
}
