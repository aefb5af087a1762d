import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BuildOptions } from 'esbuild';

const functions = join(import.meta.dirname, '../functions');

/**
 * Returns the build of all handlers, each as `<outdir>/<task>/index.mjs` with all its dependencies. One build parses
 * what they share once. The AWS SDK is inside, so that the version that was tested runs, and not that of Lambda's
 * runtime. Names no version and no folder of this machine, so that the same sources always give the same bytes.
 */
export function functionBuild(outdir: string) {
  return {
    entryPoints: readdirSync(functions)
      .map((task) => ({ out: `${task}/index`, in: join(functions, task, 'handler.ts') }))
      .filter((handler) => existsSync(handler.in)),
    absWorkingDir: join(functions, '..'),
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node24',
    // Node.js 24 has it, which esbuild does not know.
    supported: { using: true },
    format: 'esm',
    // Dependencies in CommonJS call `require`, which ES modules lack.
    banner: { js: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);` },
    mainFields: ['module', 'main'],
    minify: true,
    metafile: true,
    logLevel: 'warning',
  } as const satisfies BuildOptions;
}
