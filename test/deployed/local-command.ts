import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { json } from 'node:stream/consumers';
import type { Deployment } from './deployment.ts';

const main = join(import.meta.dirname, '../../infra/local/main.ts');

/**
 * Runs the command on this machine with the state of a deployment. Returns the JSON document that it prints. Suspends
 * the process when it has printed the note `suspend.at`, until `suspend.during` is over.
 */
export async function localCommand(
  { aws, harness, source, registry, outputs, folder }: Deployment,
  args: readonly string[],
  suspend?: { at: string; during: () => Promise<void> },
): Promise<unknown> {
  const options = ['--json', '--state', `s3://${outputs.StateBucketName}`];
  const command = spawn(process.execPath, [main, ...args, ...options], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...aws.environment,
      PATH: process.env['PATH'],
      HOME: folder,
      HARNESS_URL: harness.url,
      HARNESS_API_KEY: harness.apiKey,
      REGISTRY_NAME: registry,
      SOURCE_REGISTRY: source.host,
    },
  });
  const result = json(command.stdout);
  for await (const line of createInterface(command.stderr)) {
    if (suspend === undefined || !line.includes(suspend.at)) continue;
    command.kill('SIGSTOP');
    await suspend.during().finally(() => command.kill('SIGCONT'));
  }
  return result;
}
