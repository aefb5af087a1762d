import { chmod, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';

/**
 * Builds the command as it is installed: `dist/factory.mjs` (or in the folder that is named), which needs Node.js and
 * nothing else. What only some runs use (the engine, the AWS SDK) lies in files beside it, loaded when needed.
 */
const root = join(import.meta.dirname, '../..');
const outdir = process.argv[2] ?? join(root, 'dist');

/**
 * What the engine brings along for others: calls of real Lambda functions (here every task has a handler), and checks of
 * the definition (done by the tests). Both would only cost start-up time.
 */
const withoutUnusedParts: Plugin = {
  name: 'without-unused-parts',
  setup(bundling) {
    bundling.onResolve(
      { filter: /^(?:@aws-sdk\/(?:client-lambda|credential-providers)|asl-validator)$/ },
      ({ path }) => ({
        path,
        namespace: 'absent',
      }),
    );
    bundling.onLoad({ filter: /.*/, namespace: 'absent' }, () => ({
      contents: `
        export class LambdaClient {}
        export class InvokeCommand {}
        export const fromCognitoIdentityPool = undefined;
        export default undefined;`,
    }));
  },
};

await rm(outdir, { recursive: true, force: true });
await build({
  entryPoints: { factory: join(root, 'infra/local/main.ts') },
  outdir,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node22',
  // The ESM halves of dual packages are smaller and can be shaken.
  mainFields: ['module', 'main'],
  outExtension: { '.js': '.mjs' },
  minify: true,
  legalComments: 'linked',
  plugins: [withoutUnusedParts],
  // CommonJS packages inside the bundle still call `require`.
  banner: {
    js: "import { createRequire as createRequireHere } from 'node:module'; const require = createRequireHere(import.meta.url);",
  },
});
await chmod(join(outdir, 'factory.mjs'), 0o755);
