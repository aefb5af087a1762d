import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { main as Main } from '../../infra/local/cli.ts';

/** One run of the command, as a line of JSON on standard input. */
export interface HostedRun {
  args: readonly string[];
  environment: Readonly<Record<string, string>>;
  folder: string;
}

/** Runs the built command in `installed` once for each line, one after another, and ends both outputs of each run with NUL. */
const [installed = ''] = process.argv.slice(2);
const load = (module: string): Promise<unknown> => {
  const file = readdirSync(installed).find((name) => name.startsWith(`${module}-`)) ?? module;
  return import(join(installed, file));
};
// As the command's own first file does.
await load('parsers');
const { main } = (await load('cli')) as { main: typeof Main };
for await (const line of createInterface({ input: process.stdin })) {
  const { args, environment, folder } = JSON.parse(line) as HostedRun;
  process.chdir(folder);
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, environment);
  const code = await main(args, process.env);
  process.stderr.write('\0');
  process.stdout.write(`\n${code}\0`);
}
