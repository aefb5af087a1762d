import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startHarnessApi } from '../../infra/local/embedded/harness-api/server.ts';
import { startRegistry } from '../../infra/local/embedded/registry/server.ts';
import { pushSamples } from '../../infra/local/embedded/sample-images.ts';

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
  when?: { printed: RegExp; act: (pid: number) => void };
}

/** The folder that the suites of this run share: `test/shared-folder.ts` makes it. */
const shared = process.env['SHARED_FOLDER'] ?? '';
/** Compiled code: only the first run of the command compiles. */
const cache = join(shared, 'cache');
/** The installed command's file. */
export const command = await installCommand(join(shared, 'installed'));
const built: Launch = { node: process.execPath, command };

/** A command's file, and the Node.js that runs it; or one executable file that holds both. */
interface Launch {
  node: string;
  command?: string;
}

/** Builds the command, unless another suite has: outside of the project, so that nothing can be taken from its packages. */
async function installCommand(folder: string): Promise<string> {
  const file = join(folder, 'factory.cjs');
  if (existsSync(file)) return file;
  const { buildCommand } = await import('../../infra/package/command.ts');
  const building = await mkdtemp(`${folder}-`);
  await buildCommand(building);
  // Fails where another suite was faster.
  await rename(building, folder).catch((error: unknown) => {
    if (!existsSync(file)) throw error;
  });
  return file;
}

/** Everything a run of the installed command needs: the embedded servers, a few images, and an empty home. */
export async function startSetting({ node, command }: Launch = built) {
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

  return {
    folder,
    environment,
    harness,
    source: origin,
    target,
    overrides,
    factory,
    async close() {
      await Promise.all([harness.close(), origin.close(), target.close()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
