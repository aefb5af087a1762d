import { hash } from 'node:crypto';
import {
  closeSync,
  constants as files,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { constants, Script } from 'node:vm';
import type { main } from './cli.ts';
import { userFolder } from './user-folder.ts';

/**
 * The installed command: runs its bundle with what V8 compiled of it in an earlier run. The compile cache of Node.js
 * keeps what V8 compiles of a file before the file runs, which is the least of it; here it is all that a run used.
 */

/** Given by the build: the bundle's file, whose name changes with its contents. */
declare const bundle: string;

type Bundle = (exports: { main?: typeof main }, require: NodeJS.Require) => void;

// In the user's own folder, for what is cached there gets executed.
const cache = userFolder('cache', process.env);
const folder = cache && join(cache, 'compiled');
// Each command needs another part of the bundle, and a run that failed used less of it than others will.
const command = (process.argv[2] ?? '').replaceAll(/\W/g, '');
const [whole, part] = ['whole', 'part'].map(
  (extent) => folder && join(folder, `${bundle}-${process.version}-${command}-${extent}`),
);

const cached = read(whole) ?? read(part);
const file = join(import.meta.dirname, bundle);
const script = new Script(readFileSync(file, 'latin1'), {
  filename: file,
  ...(cached && { cachedData: cached.compiled }),
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
});
const used = script.cachedDataRejected === false ? cached?.path : undefined;
// Else V8 drops again what ran long ago, such as all that is needed to start.
if (used === undefined) setFlagsFromString('--no-flush-bytecode');

const exports: Parameters<Bundle>[0] = {};
(script.runInThisContext() as Bundle)(exports, createRequire(import.meta.url));
process.exitCode = await exports.main?.(process.argv.slice(2), process.env);

const succeeded = process.exitCode === 0;
// Bad input ends a run before it has begun.
if (used === undefined && process.exitCode !== 2) keep(succeeded ? whole : part);
else if (used !== undefined && used === part && succeeded) drop(used);

/** V8 does not check what it is given; damaged code would end the process. So its digest stands in front of it. */
function read(path: string | undefined): { path: string; compiled: Buffer } | undefined {
  if (path === undefined) return undefined;
  try {
    const bytes = readOwn(path);
    const compiled = bytes.subarray(32);
    return hash('sha256', compiled, 'buffer').equals(bytes.subarray(0, 32)) ? { path, compiled } : undefined;
  } catch {
    return undefined;
  }
}

/** Reads a file that nobody else can have written: what is in it gets executed. Throws for any other. */
function readOwn(path: string): Buffer {
  const descriptor = openSync(path, files.O_RDONLY | (files.O_NOFOLLOW ?? 0));
  try {
    const file = fstatSync(descriptor);
    const place = lstatSync(dirname(path));
    if (!file.isFile() || !place.isDirectory() || !isOurs(file) || !isOurs(place)) throw new Error('not ours');
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Windows knows neither; the folder is below the user's profile there. */
function isOurs({ uid, mode }: Stats): boolean {
  const own = process.getuid?.();
  return own === undefined || (uid === own && (mode & 0o077) === 0);
}

/** The next run then compiles all that it uses, and keeps it. */
function drop(path: string): void {
  try {
    rmSync(path);
  } catch {
    // Somebody else has done it, or nobody may: a run is not worse for it.
  }
}

function keep(path: string | undefined): void {
  if (folder === undefined || path === undefined) return;
  // V8 takes compiled code only under the flags that it was made with: those above, and those of functions/http/undici.ts.
  setFlagsFromString('--flush-bytecode --wasm-tier-up --wasm-dynamic-tiering');
  try {
    const compiled = script.createCachedData();
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const draft = `${path}.${process.pid}.draft`;
    writeFileSync(draft, Buffer.concat([hash('sha256', compiled, 'buffer'), compiled]), { mode: 0o600 });
    renameSync(draft, path);
    for (const name of readdirSync(folder)) if (!name.startsWith(bundle)) rmSync(join(folder, name), { force: true });
  } catch {
    // The next run takes a moment longer.
  }
}
