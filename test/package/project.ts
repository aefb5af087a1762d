import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packageFolder } from '../../infra/package/build.ts';
import { useTemporaryFolders } from '../temporary-folder.ts';

/** These suites do not run together with others, so each has this module for itself. */
const temporaryFolder = useTemporaryFolders();

/** The output of a command that succeeded. Throws with all that it printed if it failed. */
export function run(
  file: string,
  args: readonly string[],
  options: { cwd: string; env?: NodeJS.ProcessEnv },
): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { maxBuffer: 64 * 1024 * 1024, ...options }, (error, stdout, stderr) => {
      const command = [file, ...args].join(' ');
      if (error)
        reject(Object.assign(new Error(`${command}\n${stderr}${stdout}`, { cause: error }), { stdout, stderr }));
      else resolve(stdout);
    });
  });
}

/** Runs a script with the Node.js of the tests. */
export function node(
  script: string,
  args: readonly string[],
  options: { cwd: string; env?: NodeJS.ProcessEnv },
): Promise<string> {
  return run(process.execPath, [script, ...args], options);
}

/** Returns a new folder outside of this project, so that nothing can be taken from its packages. */
export function emptyFolder(): string {
  return temporaryFolder('factory-package');
}

/** Packs `dist/package` as npm publishes it, and returns the tarball. */
export async function pack(): Promise<string> {
  const folder = emptyFolder();
  const name = await run('npm', ['pack', packageFolder, '--silent', '--pack-destination', folder], { cwd: folder });
  return join(folder, name.trim());
}

/** Installs packages in an empty project, each by the version or file that npm takes it from. Returns the folder. */
export async function install(dependencies: Readonly<Record<string, string>>): Promise<string> {
  const folder = emptyFolder();
  write(folder, { 'package.json': JSON.stringify({ private: true, dependencies }) });
  await run('npm', ['install', '--silent', '--no-audit', '--no-fund', '--prefer-offline'], { cwd: folder });
  return folder;
}

/** Writes files by their paths below `folder`. */
export function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}
