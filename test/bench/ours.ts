import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { build } from 'esbuild';
import packageJson from '../../package.json' with { type: 'json' };
import type { Command } from './measure.ts';
import type { Peer } from './peers.ts';

const root = join(import.meta.dirname, '../..');
const built = join(root, 'dist/package/bin/factory.cjs');
const source = join(root, 'infra/local/main.ts');

/** The installed command, or its sources where nothing is built. */
export const commandFile = existsSync(built) ? built : source;

export const own: Pick<Peer, 'available' | 'version'> = {
  available: () => true,
  version: async () => `node ${process.versions.node}, factory ${packageJson.version}`,
};

/** The whole `sync` by the installed command, Harness calls included. */
export function ours(file = commandFile, cache?: string): Peer {
  return {
    name: 'ours',
    family: 'ours',
    note: `the whole sync, by ${relative(root, file)}${file === source ? ', because nothing is built' : ''}`,
    ...own,
    command: async ({ source, target, home, harness }) => ({
      argv: [process.execPath, file, 'sync', '--yes', '--json', '--state', join(home, 'state')],
      environment: {
        HARNESS_URL: harness.url,
        HARNESS_API_KEY: harness.apiKey,
        SOURCE_REGISTRY: source,
        REGISTRY_NAME: target,
        // Outside of the home that is new for each run: whoever installs a command runs it more than once.
        XDG_CACHE_HOME: cache ?? join(home, '../cache'),
      },
    }),
  };
}

/** The OCI library by itself. */
export function engineAlone(folder: string): Peer {
  return {
    name: 'ours (engine alone)',
    family: 'engine',
    note: 'the OCI library, without Harness and command line',
    ...program(join(import.meta.dirname, 'engine.ts'), join(folder, 'engine.mjs')),
  };
}

/** The engine with the workflow engine and Harness, the least of a sync on these parts. */
export function bareSync(folder: string): Peer {
  return {
    name: 'ours (bare sync)',
    family: 'bare',
    note: 'the OCI library in the workflow engine, Harness read, switched and read again, and nothing else',
    only: ['W1', 'W2', 'W3', 'W4'],
    ...program(join(import.meta.dirname, 'bare-sync.ts'), join(folder, 'bare-sync.mjs')),
  };
}

/** The least of a sync in Node.js: with undici, with the HTTP client of Node.js itself, and by the workflow. */
export function floors(folder: string): Peer[] {
  const shared = {
    family: 'floor',
    note: 'Harness asked, GET, SHA-256 and PUT, Harness switched and asked again, and nothing else',
    only: ['W1', 'W2', 'W3', 'W4'],
  } as const;
  const entry = (name: string) => program(join(import.meta.dirname, `${name}.ts`), join(folder, `${name}.mjs`));
  return [
    { name: 'floor (undici)', ...shared, ...entry('floor-undici') },
    { name: 'floor (node:https)', ...shared, ...entry('floor-https') },
    {
      ...shared,
      name: 'floor (workflow)',
      note: 'the loop on undici in the workflow of the product, with the requests to Harness of a sync',
      ...entry('floor-workflow'),
    },
  ];
}

/** A program bundled as the installed command is, that gets its job as a file. */
export function program(
  entry: string,
  bundle: string,
): Pick<Peer, 'available' | 'version'> & { command(job: { readonly home: string }): Promise<Command> } {
  let built: Promise<unknown> | undefined;
  return {
    ...own,
    async command({ home, ...job }) {
      built ??= build({
        entryPoints: [entry],
        outfile: bundle,
        bundle: true,
        minify: true,
        platform: 'node',
        target: 'node24',
        format: 'esm',
        mainFields: ['module', 'main'],
        // Dependencies in CommonJS call `require`, which an ES module does not have.
        banner: { js: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);` },
        logLevel: 'warning',
      });
      await built;
      const file = join(home, 'job.json');
      await writeFile(file, JSON.stringify(job), { mode: 0o600 });
      // As the installed command, which keeps its compiled code.
      return {
        argv: [process.execPath, bundle, file],
        environment: { NODE_COMPILE_CACHE: join(dirname(bundle), 'cache') },
      };
    },
  };
}
