import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const requirements = join(import.meta.dirname, 'requirements.txt');
/** LocalStack needs it. */
const oldest = [3, 13] as const;

/**
 * Returns the Python of a virtual environment that has the packages of `requirements.txt`. Creates it in the user's
 * cache folder, and reuses it until the requirements change.
 *
 * @throws {Error} when this machine has no Python that is new enough, or a package cannot be installed.
 */
export async function pythonEnvironment(): Promise<string> {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const hash = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const folder = join(cache, 'harness-ci-image-factory', `localstack-${hash}`);
  const python = join(folder, 'bin', 'python');
  // Written last: an installation that was interrupted is done again.
  const complete = join(folder, 'complete');
  if (existsSync(complete)) return python;
  const run = promisify(execFile);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await run(findPython(), ['-m', 'venv', folder]);
  await run(python, ['-m', 'pip', 'install', '--quiet', '--requirement', requirements], {
    maxBuffer: 64 * 1024 * 1024,
  });
  writeFileSync(complete, '');
  return python;
}

/** Looks at the versions that pyenv installed, then at PATH. */
function findPython(): string {
  const versions = join(process.env['PYENV_ROOT'] ?? join(homedir(), '.pyenv'), 'versions');
  const installed = existsSync(versions)
    ? readdirSync(versions).map((name) => join(versions, name, 'bin/python3'))
    : [];
  const script = `import sys, venv; sys.exit(sys.version_info < ${JSON.stringify(oldest).replace('[', '(').replace(']', ')')})`;
  const found = [...installed, 'python3', 'python3.13', 'python3.14'].find(
    (python) => spawnSync(python, ['-c', script], { stdio: 'ignore' }).status === 0,
  );
  if (found !== undefined) return found;
  throw new Error(
    `the deployed tests need Python ${oldest.join('.')} or newer: install it with pyenv, or put it on PATH`,
  );
}
