import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { available } from '../../real-parts.ts';

const run = promisify(execFile);

/** The package with its exact version, so that numbers can be compared. Its install script builds it. */
const name = 'aws-lambda-ric@4.0.2';
const tools = ['cmake', 'make', 'g++', 'xz'];

/**
 * The runtime client that Lambda itself uses, to be started with the handler as its argument; `undefined` where it
 * cannot be built. Kept in the user's cache: it takes a minute.
 */
export async function runtimeInterfaceClient(onProgress: (line: string) => void): Promise<string | undefined> {
  const folder = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'harness-ci-image-factory', name);
  const client = join(folder, 'node_modules/aws-lambda-ric/index.mjs');
  if (existsSync(client)) return client;
  const missing = tools.filter((tool) => !available(tool));
  if (missing.length > 0) {
    onProgress(`${name} cannot be built without ${missing.join(', ')}`);
    return undefined;
  }
  onProgress(`building ${name} in ${folder}`);
  await mkdir(folder, { recursive: true });
  try {
    await run('npm', ['install', '--prefix', folder, '--no-audit', '--no-fund', name]);
  } catch (error) {
    onProgress(`${name} cannot be built: ${error instanceof Error ? error.message : String(error)}`);
  }
  return existsSync(client) ? client : undefined;
}
