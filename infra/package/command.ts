import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { neededNode } from './manifest.ts';
import { root } from './root.ts';

/** Builds the command in `outdir`: `factory.cjs`, `factory.mjs` and the modules beside them. They need only Node.js. */
export async function buildCommand(outdir: string): Promise<Metafile> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { factory: join(root, 'infra/local/main.ts') },
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    minify: true,
    legalComments: 'none',
    // What the sources import when it is needed, such as the AWS SDK, becomes a file of its own.
    splitting: true,
    chunkNames: '[name]-[hash]',
    // The ESM halves of dual packages are smaller, and unused exports can be dropped.
    mainFields: ['module', 'main'],
    // CommonJS packages load the modules of Node.js with `require`, which an ES module does not have.
    banner: {
      js: "import { createRequire as createRequireHere } from 'node:module'; const require = createRequireHere(import.meta.url);",
    },
    metafile: true,
    logLevel: 'warning',
  });
  const launcher = join(outdir, 'factory.cjs');
  await writeFile(launcher, await launcherText());
  await chmod(launcher, 0o755);
  return metafile;
}

/**
 * Returns a script that any Node.js can read. It checks the version before it loads syntax that an old one lacks. From Node.js
 * 22.13, `require` loads an ES module without a warning.
 */
async function launcherText(): Promise<string> {
  const check = await readFile(join(root, 'infra/local/node-version.cjs'), 'utf8');
  return `#!/usr/bin/env node\nvar neededNode = '${neededNode}';\n${check}require('./factory.mjs');\n`;
}
