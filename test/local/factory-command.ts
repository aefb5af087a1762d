import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { startHarnessApi } from '../../infra/local/embedded/harness-api/server.ts';
import { startRegistry } from '../../infra/local/embedded/registry/server.ts';
import { pushSamples } from '../../infra/local/embedded/sample-images.ts';
import { atEnd } from '../at-end.ts';
import type { HostedRun } from './command-host.ts';

/** The output and the exit code of a command. */
export interface CommandResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  stdin?: string;
  environment?: Record<string, string>;
  /** Options of Node.js, passed before the command's file. */
  nodeOptions?: readonly string[];
  /** The descriptor of an open file that receives standard output instead of the result. */
  stdout?: number;
  /** Streams without a reader. */
  unread?: readonly ('stdout' | 'stderr')[];
  /** Gets the running process's id once it has printed something on standard error that matches. */
  when?: When<(pid: number) => void>;
}

interface When<Act> {
  printed: RegExp;
  act: Act;
}

/** The folder that the suites of this run share: `test/shared-folder.ts` makes it. */
const shared = process.env['SHARED_FOLDER'];
if (shared === undefined) throw new Error('only suites of the integration project may start the command');
/** The folder of caches. Only the first run of the command compiles. */
export const cache = join(shared, 'cache');
/** The installed command's file, once `installCommand` has ended. */
export const command = join(shared, 'installed/factory.cjs');
const built: Launch = { node: process.execPath, command };

/** A command's file, and the Node.js that runs it; or one executable file that holds both. */
interface Launch {
  node: string;
  command?: string;
}

/** Builds the command, unless another suite has: outside of the project, so that nothing can be taken from its packages. */
export async function installCommand(): Promise<void> {
  if (existsSync(command)) return;
  const { buildCommand } = await import('../../infra/package/command.ts');
  const folder = dirname(command);
  const building = await mkdtemp(`${folder}-`);
  await buildCommand(building);
  // Fails where another suite was faster.
  await rename(building, folder).catch((error: unknown) => {
    if (!existsSync(command)) throw error;
  });
}

let host: ChildProcessByStdio<Writable, Readable, Readable> | undefined;
let hosted: Promise<unknown> = Promise.resolve();

/** Runs the installed command after the one before, in a process that stays. */
export function runHosted(run: HostedRun, when?: When<() => void>): Promise<CommandResult> {
  const result = hosted.then(async () => {
    host ??= startHost();
    host.stdin.write(`${JSON.stringify(run)}\n`);
    const [out, stderr] = await Promise.all([upToNul(host.stdout), upToNul(host.stderr, when)]);
    const [, stdout = '', code] = /^([^]*)\n(\d+)$/.exec(out) ?? [];
    return { code: Number(code), stdout, stderr };
  });
  hosted = result.catch(() => undefined);
  return result;
}

function startHost(): NonNullable<typeof host> {
  const script = join(import.meta.dirname, 'command-host.ts');
  const started = spawn(process.execPath, [script, dirname(command)], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, NODE_COMPILE_CACHE: join(cache, 'harness-ci-image-factory') },
  });
  // The next run starts another one.
  started.on('close', () => {
    if (host === started) host = undefined;
  });
  started.stdin.on('error', () => undefined);
  return started;
}

atEnd(() => {
  host?.stdin.end();
  host = undefined;
});

/** Reads the output of one run, and acts once it has printed something that matches. */
function upToNul(stream: Readable, when?: When<() => void>): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const ended = () => reject(new Error(`the host of the command ended: ${Buffer.concat(chunks).toString()}`));
    stream.once('close', ended);
    stream.on('data', function read(chunk: Buffer) {
      chunks.push(chunk);
      if (when?.printed.test(Buffer.concat(chunks).toString())) {
        when.act();
        when = undefined;
      }
      if (chunk.at(-1) !== 0) return;
      stream.off('data', read).off('close', ended);
      resolve(Buffer.concat(chunks).toString().slice(0, -1));
    });
  });
}

/** Everything a run of the installed command needs: the embedded servers, a few images, and an empty home. */
export async function startSetting(launch = built) {
  const { node, command } = launch;
  if (launch === built) await installCommand();
  const folder = await mkdtemp(join(tmpdir(), 'factory-command-'));
  const [origin, target] = await Promise.all([startRegistry(), startRegistry()]);
  const harness = await startHarnessApi({
    // Pods can pull the copies.
    connector: `http://${target.host}/mirror`,
    defaults: {
      ci: {
        K8: {
          addonTag: 'harness/ci-addon:1.18.22',
          liteEngineTag: 'harness/ci-lite-engine:1.18.22',
          cacheGCSTag: 'plugins/cache:1.10.12',
          cacheS3Tag: 'plugins/cache:1.10.12',
          securityTag: 'harness/sto-plugin:latest',
        },
      },
    },
  });
  pushSamples(
    origin,
    [
      'harness/ci-addon:1.18.22',
      'harness/ci-lite-engine:1.18.22',
      'plugins/cache:1.10.12',
      'harness/sto-plugin:latest',
    ],
    {
      layerBytes: 2_000,
    },
  );
  const environment: Record<string, string> = {
    HOME: folder,
    XDG_CACHE_HOME: cache,
    PATH: process.env.PATH ?? '',
    HARNESS_URL: harness.url,
    HARNESS_API_KEY: harness.apiKey,
    REGISTRY_NAME: `${target.host}/mirror`,
    SOURCE_REGISTRY: origin.host,
  };
  const overrides = () => harness.state[harness.accountId]?.ci.K8 ?? {};

  function factory(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return new Promise((resolve, reject) => {
      const child = spawn(
        node,
        [...(options.nodeOptions ?? []), ...(command === undefined ? [] : [command]), ...args],
        {
          stdio: ['pipe', options.stdout ?? 'pipe', 'pipe'],
          env: { ...environment, ...options.environment },
          cwd: folder,
        },
      );
      const result: CommandResult = { code: null, stdout: '', stderr: '' };
      let { when } = options;
      child.stdout?.on('data', (chunk: Buffer) => (result.stdout += chunk.toString()));
      child.stderr?.on('data', (chunk: Buffer) => {
        result.stderr += chunk.toString();
        if (when?.printed.test(result.stderr) && child.pid !== undefined) {
          when.act(child.pid);
          when = undefined;
        }
      });
      for (const name of options.unread ?? []) child[name]?.destroy();
      child.on('error', reject);
      child.on('close', (code) => resolve({ ...result, code }));
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(options.stdin ?? '');
    });
  }

  /**
   * Runs the command in a process that all such runs share until the last test ends, which takes a tenth of the time. It is
   * for runs whose process, streams and end are not the point.
   */
  const hostedFactory = (
    args: readonly string[],
    more: Record<string, string> = {},
    when?: When<() => void>,
  ): Promise<CommandResult> => runHosted({ args, environment: { ...environment, ...more }, folder }, when);

  return {
    folder,
    environment,
    harness,
    source: origin,
    target,
    overrides,
    factory,
    hosted: hostedFactory,
    async close() {
      await Promise.all([harness.close(), origin.close(), target.close()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
