import { chmod, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build, type BuildOptions } from 'esbuild';

/**
 * Builds the installed command in `dist/` or in the folder that the first argument names: `factory.mjs` and the modules
 * beside it. They need Node.js and nothing else.
 */
const root = join(import.meta.dirname, '../..');
const outdir = process.argv[2] ?? join(root, 'dist');

/** The oldest Node.js that has every function that the bundle calls. The newest of them is `tls.getCACertificates`. */
const neededNode = '22.15';

const shared = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  minify: true,
  legalComments: 'linked',
  outExtension: { '.js': '.mjs' },
} as const satisfies BuildOptions;

await rm(outdir, { recursive: true, force: true });
await build({
  ...shared,
  outdir,
  entryPoints: [join(root, 'infra/local/main.ts')],
  target: 'node22',
  // What the sources import when it is needed, such as the AWS SDK, becomes a file of its own.
  splitting: true,
  chunkNames: '[name]-[hash]',
  // The ESM halves of dual packages are smaller, and unused exports can be dropped.
  mainFields: ['module', 'main'],
  // CommonJS packages load the modules of Node.js with `require`, which an ES module does not have.
  banner: {
    js: "import { createRequire as createRequireHere } from 'node:module'; const require = createRequireHere(import.meta.url);",
  },
});
const { legalComments, minify, platform, format } = shared;
await build({
  legalComments,
  minify,
  platform,
  format,
  // Checks the version before Node.js parses syntax that an old one does not know.
  stdin: {
    contents: `${await readFile(join(root, 'infra/local/node-version.cjs'), 'utf8')}import('./main.mjs');`,
  },
  outfile: join(outdir, 'factory.mjs'),
  target: 'node13.2',
  banner: { js: '#!/usr/bin/env node' },
  define: { neededNode: JSON.stringify(neededNode) },
});
await chmod(join(outdir, 'factory.mjs'), 0o755);
