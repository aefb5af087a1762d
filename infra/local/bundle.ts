import { chmod, readFile, rm } from 'node:fs/promises';
import { basename, join, sep } from 'node:path';
import { build, type BuildOptions, type Plugin } from 'esbuild';

/**
 * Builds the command as it is installed, in `dist/` or the folder that is named: `factory.mjs`, which needs Node.js and
 * the files beside it, and nothing else.
 */
const root = join(import.meta.dirname, '../..');
const outdir = process.argv[2] ?? join(root, 'dist');

/** The oldest Node.js that has all that the bundle calls: `getCACertificates` of node:tls came last. */
const neededNode = '22.15';

/**
 * What libraries load at their start for abilities that are not used here; it would only cost start-up time. The engine
 * can call real Lambda functions (here every task has a handler) and check definitions (done by the tests), undici speaks
 * HTTP/2 (registries are asked by HTTP/1.1), and commander starts commands that are programs of their own.
 */
const unusedModules: readonly { of: string; modules: readonly string[] }[] = [
  {
    of: 'aws-local-stepfunctions',
    modules: ['@aws-sdk/client-lambda', '@aws-sdk/credential-providers', 'asl-validator'],
  },
  { of: 'undici', modules: ['node:http2'] },
  { of: 'commander', modules: ['node:child_process'] },
];

const withoutUnusedModules: Plugin = {
  name: 'without-unused-modules',
  setup(bundling) {
    bundling.onResolve({ filter: /^(?:node:|@aws-sdk\/|asl-validator$)/ }, ({ path, importer }) => {
      const unused = unusedModules.some(
        ({ of, modules }) => importer.includes(`${sep}node_modules${sep}${of}${sep}`) && modules.includes(path),
      );
      return unused ? { path, namespace: 'absent' } : undefined;
    });
    // CommonJS, whose exports nobody checks; undici reads constants of HTTP/2 at once.
    bundling.onLoad({ filter: /.*/, namespace: 'absent' }, () => ({ contents: 'module.exports = { constants: {} }' }));
  },
};

const shared = {
  outdir,
  bundle: true,
  platform: 'node',
  target: 'node22',
  minify: true,
  legalComments: 'linked',
} as const satisfies BuildOptions;

await rm(outdir, { recursive: true, force: true });
const { metafile } = await build({
  ...shared,
  entryPoints: { command: join(root, 'infra/local/cli.ts') },
  entryNames: '[name]-[hash]',
  // One script, whose modules begin when they are first used: V8 keeps compiled code of scripts.
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  banner: { js: '(function (exports, require) { const module = { exports };' },
  footer: { js: 'Object.assign(exports, module.exports); })' },
  // The ESM halves of dual packages are smaller and can be shaken.
  mainFields: ['module', 'main'],
  plugins: [withoutUnusedModules],
  metafile: true,
});
const bundle = Object.keys(metafile.outputs).find((file) => file.endsWith('.cjs')) ?? '';
await build({
  ...shared,
  entryPoints: { launch: join(root, 'infra/local/launch.ts') },
  format: 'esm',
  outExtension: { '.js': '.mjs' },
  define: { bundle: JSON.stringify(basename(bundle)) },
});
const { legalComments, minify, platform } = shared;
await build({
  legalComments,
  minify,
  platform,
  // Looks at the version before Node.js reads anything that an old one could not.
  stdin: {
    contents: `${await readFile(join(root, 'infra/local/node-version.cjs'), 'utf8')}import('./launch.mjs');`,
  },
  outfile: join(outdir, 'factory.mjs'),
  format: 'esm',
  target: 'node13.2',
  banner: { js: '#!/usr/bin/env node' },
  define: { neededNode: JSON.stringify(neededNode) },
});
await chmod(join(outdir, 'factory.mjs'), 0o755);
