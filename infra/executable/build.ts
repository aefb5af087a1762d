import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { bundledPackages } from '../package/bundled-packages.ts';
import { licenses } from '../package/licenses.ts';
import { root } from '../package/root.ts';
import { nodeOf, nodeVersion, ownPlatform, type Platform } from './node-binary.ts';

/** The folder that `npm run build:executable` writes. It has one folder for each platform. */
const executables = join(root, 'dist/executable');

/**
 * Builds the command as one file that needs no Node.js, with the licences of what is in it. Returns their folder.
 *
 * @throws {Error} if npm has no Node.js for the platform, or if the Node.js of the build is another version.
 */
export async function buildExecutable(platform: Platform): Promise<string> {
  if (process.versions.node !== nodeVersion)
    throw new Error(
      `The program must be prepared by Node.js ${nodeVersion}, the version that it gets; this is ${process.versions.node}. ` +
        'Start the build by "npm run build:executable", after "npm ci".',
    );
  const folder = join(executables, platform);
  const work = await mkdtemp(join(tmpdir(), 'factory-executable-'));
  try {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    const { binary, license } = nodeOf(platform, work);
    const { metafile, program } = await bundle(work);
    const file = join(folder, platform.startsWith('win') ? 'factory.exe' : 'factory');
    await copyFile(binary, file);
    // Before the injection: afterwards, it destroys the file.
    if (platform === ownPlatform && process.platform === 'linux') strip(file);
    inject(await prepared(program, work, platform), file);
    await chmod(file, 0o755);
    await Promise.all([
      copyFile(join(root, 'LICENSE'), join(folder, 'LICENSE')),
      copyFile(license, join(folder, 'LICENSE-NODE.txt')),
      writeFile(join(folder, 'THIRD-PARTY-LICENSES.txt'), licenses(bundledPackages([metafile]))),
    ]);
    return folder;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Removes from a file what only debuggers need, where binutils are installed. */
function strip(file: string): void {
  const { error, status, stderr } = spawnSync('strip', [file], { encoding: 'utf8' });
  if (error !== undefined) console.warn(`strip cannot be started, so the file stays larger: ${error.message}`);
  else if (status !== 0) throw new Error(`strip failed: ${stderr}`);
}

/** Makes one CommonJS file of the command: a program in an executable can load no other. */
async function bundle(work: string) {
  const program = join(work, 'factory.cjs');
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [join(root, 'infra/local/main.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    minify: true,
    legalComments: 'none',
    mainFields: ['module', 'main'],
    metafile: true,
    logLevel: 'warning',
  });
  return { metafile, program };
}

/** Writes the program as Node.js reads it from its own file, with the compiled code where the platform is this one. */
async function prepared(main: string, work: string, platform: Platform): Promise<string> {
  const output = join(work, 'blob');
  const config = {
    main,
    output,
    disableExperimentalSEAWarning: true,
    useCodeCache: platform === ownPlatform,
    // NODE_OPTIONS of a host would otherwise change or break the command.
    execArgvExtension: 'none',
  };
  const file = join(work, 'sea.json');
  await writeFile(file, JSON.stringify(config));
  node('--experimental-sea-config', file);
  return output;
}

/** Puts a program into a Node.js binary, at the mark by which that finds out that it holds one. */
function inject(program: string, binary: string): void {
  const mark = ['--sentinel-fuse', 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'];
  node(fileURLToPath(import.meta.resolve('postject/dist/cli.js')), binary, 'NODE_SEA_BLOB', program, ...mark);
}

/** Runs the Node.js of the build. What it prints is shown only if it fails: the tools warn about sections of any Node.js. */
function node(...args: readonly string[]): void {
  execFileSync(process.execPath, args, { stdio: 'pipe' });
}
